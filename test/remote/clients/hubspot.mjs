// The stand-in of HubSpot as its own client sees it.
import assert from 'node:assert/strict';
import test from 'node:test';

import hubspot from '@hubspot/api-client';

import { steer } from '../lib/steer.js';

const KEY = 'cxsig_ticket_key';

const remote = await steer('hubspot');
const client = new hubspot.Client({ accessToken: 'pat-cxsig', basePath: remote.url, numberOfApiCallRetries: 0 });
const { batchApi, basicApi } = client.crm.tickets;

function input(id, properties, trace) {
  return { id, idProperty: KEY, properties, ...(trace ? { objectWriteTraceId: trace } : {}) };
}

async function fails(promise, status, category) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual([error.code, error.body.category], [status, category]);
    assert.match(error.body.correlationId, /^[0-9a-f-]{36}$/);
    return true;
  });
}

test.beforeEach(() => remote.reset({ auth: { clients: { cxsig: 'hush' }, refresh_tokens: ['first'] } }));

test('a batch is upserted by a property with unique values', async () => {
  const first = await batchApi.upsert({ inputs: [input('T-1', { cxsig_version: '1' }), input('T-2', { cxsig_tags: ';billing;refund' })] });
  assert.equal(first.status, 'COMPLETE');
  assert.ok(first.startedAt instanceof Date && first.completedAt instanceof Date);
  assert.deepEqual(first.results.map((result) => result._new), [true, true]);
  const ids = Object.fromEntries(first.results.map((result) => [result.properties[KEY], result.id]));
  const second = await batchApi.upsert({ inputs: [input('T-1', { cxsig_version: '2', cxsig_sentiment: '' }, 'trace-1')] });
  assert.deepEqual(second.results.map((result) => [result.id, result._new, result.objectWriteTraceId]), [[ids['T-1'], false, 'trace-1']]);
  const records = await remote.records('tickets');
  assert.deepEqual(records.map(({ key, fields }) => [key, fields.cxsig_version]), [['T-1', '2'], ['T-2', undefined]]);
});

test('where each input has a trace id, bad ones are told of and the others written', async () => {
  const batch = await batchApi.upsert({
    inputs: [
      input('T-1', { cxsig_version: '1' }, 'a'),
      input('T-2', { nonsense: 'x' }, 'b'),
      input('T-3', { cxsig_sentiment: 'angry' }, 'c'),
      input('T-4', { cxsig_version: 'three' }, 'd'),
    ],
  });
  assert.equal(batch.constructor.name, 'BatchResponseSimplePublicUpsertObjectWithErrors');
  assert.equal(batch.numErrors, 3);
  assert.deepEqual(batch.results.map((result) => result.objectWriteTraceId), ['a']);
  const errors = batch.errors.map(({ status, category, context, errors: inner }) => [status, category, context.objectWriteTraceId, inner[0].code]);
  assert.deepEqual(errors, [
    ['error', 'VALIDATION_ERROR', ['b'], 'PROPERTY_DOESNT_EXIST'],
    ['error', 'VALIDATION_ERROR', ['c'], 'INVALID_OPTION'],
    ['error', 'VALIDATION_ERROR', ['d'], 'INVALID_DOUBLE'],
  ]);
});

test('without trace ids one bad input refuses all', async () => {
  await fails(batchApi.upsert({ inputs: [input('T-1', {}), input('T-2', { nonsense: 'x' })] }), 400, 'VALIDATION_ERROR');
  assert.deepEqual(await remote.records('tickets'), []);
});

test('a batch that is none is refused', async () => {
  const many = Array.from({ length: 101 }, (_, i) => input(`T-${i}`, {}));
  await fails(batchApi.upsert({ inputs: many }), 400, 'VALIDATION_ERROR');
  await fails(batchApi.upsert({ inputs: [] }), 400, 'VALIDATION_ERROR');
  await fails(batchApi.upsert({ inputs: [input('T-1', {}), input('t-1', {})] }), 400, 'VALIDATION_ERROR');
  await fails(batchApi.upsert({ inputs: [{ ...input('T-1', {}), idProperty: 'cxsig_version' }] }), 400, 'VALIDATION_ERROR');
  await fails(batchApi.upsert({ inputs: [{ ...input('T-1', {}), idProperty: 'nonsense' }] }), 400, 'VALIDATION_ERROR');
  await fails(batchApi.upsert({ inputs: [input('T-1', { cxsig_version: 3 })] }), 400, 'VALIDATION_ERROR');
});

test('a batch is read by that property', async () => {
  await batchApi.upsert({ inputs: [input('T-1', { cxsig_version: '1' }), input('T-2', {})] });
  const read = (ids) => batchApi.read({ inputs: ids.map((id) => ({ id })), idProperty: KEY, properties: [KEY, 'cxsig_version'], propertiesWithHistory: [] });
  const all = await read(['T-1', 'T-2']);
  assert.deepEqual(all.results.map(({ properties }) => [properties[KEY], properties.cxsig_version]), [['T-1', '1'], ['T-2', null]]);
  const some = await read(['T-1', 'T-9']);
  assert.equal(some.results.length, 1);
  assert.deepEqual(some.errors.map(({ category, context }) => [category, context.ids]), [['OBJECT_NOT_FOUND', ['T-9']]]);
});

test('one record is made, changed, read and archived', async () => {
  const made = await basicApi.create({ properties: { [KEY]: 'T-1', subject: 'x' }, associations: [] });
  await fails(basicApi.create({ properties: { [KEY]: 'T-1' }, associations: [] }), 400, 'VALIDATION_ERROR');
  const changed = await basicApi.update('T-1', { properties: { cxsig_sentiment: 'negative' } }, KEY);
  assert.deepEqual([changed.id, changed.properties.cxsig_sentiment], [made.id, 'negative']);
  await fails(basicApi.update('T-2', { properties: {} }, KEY), 404, 'OBJECT_NOT_FOUND');
  const read = await basicApi.getById('T-1', ['subject'], undefined, undefined, false, KEY);
  assert.deepEqual([read.id, read.properties.subject, read.archived], [made.id, 'x', false]);
  await basicApi.archive(made.id);
  await fails(basicApi.getById(made.id), 404, 'OBJECT_NOT_FOUND');
});

test('a token that is not good is refused, and a refresh gives a good one', async () => {
  const other = new hubspot.Client({ accessToken: 'nonsense', basePath: remote.url, numberOfApiCallRetries: 0 });
  await fails(other.crm.tickets.basicApi.getById('1'), 401, 'INVALID_AUTHENTICATION');
  const refresh = (token, secret = 'hush') => other.oauth.tokensApi.create('refresh_token', undefined, undefined, 'cxsig', secret, token);
  const granted = await refresh('first');
  assert.deepEqual([granted.refreshToken, granted.expiresIn, granted.tokenType], ['first', 1800, 'bearer']);
  other.setAccessToken(granted.accessToken);
  await fails(other.crm.tickets.basicApi.getById('1'), 404, 'OBJECT_NOT_FOUND');
  await remote.control('expire');
  await fails(other.crm.tickets.basicApi.getById('1'), 401, 'EXPIRED_AUTHENTICATION');
  await assert.rejects(refresh('other'), (error) => error.code === 400 && error.body.status === 'BAD_REFRESH_TOKEN');
  await assert.rejects(refresh('first', 'wrong'), (error) => error.code === 400);
});

test('the rate is told, and past it nothing is taken', async () => {
  await remote.configure({ limits: { window_max: 2, window_ms: 60000, daily_max: 10 } });
  const { headers } = await basicApi.createWithHttpInfo({ properties: { subject: 'x' }, associations: [] });
  assert.equal(headers['x-hubspot-ratelimit-max'], '2');
  assert.equal(headers['x-hubspot-ratelimit-remaining'], '1');
  assert.equal(headers['x-hubspot-ratelimit-daily-remaining'], '9');
  await basicApi.create({ properties: { subject: 'y' }, associations: [] });
  await assert.rejects(basicApi.create({ properties: { subject: 'z' }, associations: [] }), (error) => {
    assert.deepEqual([error.code, error.body.category, error.body.policyName], [429, 'RATE_LIMITS', 'TEN_SECONDLY_ROLLING']);
    return true;
  });
});
