// What HubSpot's client does not let through, and what is a setting because it is not sure.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('hubspot');
const KEY = 'cxsig_ticket_key';

async function ask(path, body, type = 'application/json') {
  const response = await fetch(`${remote.url}${path}`, {
    method: 'POST',
    headers: { authorization: 'Bearer pat-cxsig', 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

function upsert(inputs, path = '/crm/v3/objects/tickets/batch/upsert') {
  return ask(path, { inputs: inputs.map((input) => ({ idProperty: KEY, ...input })) });
}

function keys(rows) {
  return rows.map(({ properties }) => properties[KEY]).sort();
}

test.beforeEach(() => remote.reset({}));

test('dated paths are known beside v3, others are not', async () => {
  const inputs = [{ id: 'T-1', properties: {} }];
  assert.equal((await upsert(inputs, '/crm/objects/2026-09/tickets/batch/upsert')).status, 200);
  assert.equal((await upsert(inputs, '/crm/objects/2024-01/tickets/batch/upsert')).status, 404);
  assert.equal((await upsert(inputs, '/crm/v3/objects/nonsense/batch/upsert')).status, 400);
});

test('an input that is none refuses all', async () => {
  for (const wrong of [{ id: 1, properties: {} }, { properties: {} }, { id: 'T-2' }, { id: 'T-2', properties: [] }, { id: 'T-2', properties: {}, extra: 1 },
    { id: 'T-2', properties: { cxsig_version: null } }, { id: 'T-2', properties: {}, objectWriteTraceId: 2 }, { id: 'T-2', properties: {}, idProperty: undefined }]) {
    const { status, body } = await upsert([{ id: 'T-1', properties: {}, objectWriteTraceId: 'a' }, { objectWriteTraceId: 'b', ...wrong }]);
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'], JSON.stringify(wrong));
  }
  assert.equal((await ask('/crm/v3/objects/tickets/batch/upsert', '{"inputs"')).status, 400);
  assert.equal((await ask('/crm/v3/objects/tickets/batch/upsert', '{}', 'text/plain')).status, 415);
  assert.deepEqual(await remote.records('tickets'), []);
});

test('whether good rows are written beside bad ones is a setting, and how the bad are named', async () => {
  const inputs = [{ id: 'T-1', properties: {}, objectWriteTraceId: 'a' }, { id: 'T-2', properties: { nonsense: 'x' }, objectWriteTraceId: 'b' }];
  await remote.configure({ multi_status: 'never' });
  assert.equal((await upsert(inputs)).status, 400);
  await remote.configure({ multi_status: 'always', attribution: 'ids' });
  const named = await upsert(inputs.map(({ objectWriteTraceId, ...rest }) => rest));
  assert.deepEqual([named.status, keys(named.body.results), named.body.errors[0].context.ids], [207, ['T-1'], ['T-2']]);
  await remote.configure({ attribution: 'none' });
  assert.deepEqual((await upsert(inputs)).body.errors[0].context, {});
});

test('of an id that is twice in a batch the last may win', async () => {
  await remote.configure({ duplicates: 'last' });
  const { status } = await upsert([{ id: 'T-1', properties: { cxsig_version: '1' } }, { id: 'T-1', properties: { cxsig_version: '2' } }]);
  assert.equal(status, 200);
  assert.deepEqual((await remote.history('tickets')).map(({ fields }) => fields.cxsig_version), ['2']);
});

test('results come in any order', async () => {
  const inputs = Array.from({ length: 100 }, (_, i) => ({ id: `T-${String(i).padStart(2, '0')}`, properties: {} }));
  const { body } = await upsert(inputs);
  const order = body.results.map(({ properties }) => properties[KEY]);
  assert.notDeepEqual(order, inputs.map(({ id }) => id));
  assert.deepEqual(keys(body.results), inputs.map(({ id }) => id));
});

test('a day that is used up says so', async () => {
  await remote.configure({ limits: { daily_max: 1 }, retry_after: true });
  await upsert([{ id: 'T-1', properties: {} }]);
  const { status, body, headers } = await upsert([{ id: 'T-2', properties: {} }]);
  assert.deepEqual([status, body.policyName, headers.get('retry-after') > 0], [429, 'DAILY', true]);
});
