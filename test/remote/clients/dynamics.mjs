// The stand-in of Dataverse as dynamics-web-api sees it.
import assert from 'node:assert/strict';
import test from 'node:test';

import { DynamicsWebApi } from 'dynamics-web-api';

import { steer } from '../lib/steer.js';

const remote = await steer('dynamics');
const collection = 'cx_signals';
const SCOPE = 'https://acme.crm.dynamics.com/.default';
let api;

async function token(tenant, parameters) {
  const response = await fetch(`${remote.url}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'cxsig',
      client_secret: 'hush',
      scope: SCOPE,
      ...parameters,
    }),
  });
  return { status: response.status, ...(await response.json()) };
}

async function fails(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual([error.status, error.code ?? error.error?.code], [status, code], error.message);
    return true;
  });
}

function key(ticket) {
  return `cx_ticket='${ticket}'`;
}

async function held(ticket) {
  const found = await api.retrieveMultiple({
    collection,
    select: ['cx_ticket', 'cx_sentiment', 'cx_score'],
    filter: `cx_ticket eq '${ticket}'`,
  });
  return found.value.map((row) => [row.cx_sentiment, row.cx_score]);
}

test.before(async () => {
  await remote.reset({
    tenant: 'acme.example',
    auth: { clients: { cxsig: 'hush' }, scope: SCOPE },
    tables: [
      {
        name: 'cx_signal',
        set: collection,
        keys: [['cx_ticket'], ['cx_source', 'cx_number']],
        columns: {
          cx_ticket: { type: 'String', max: 20 },
          cx_sentiment: { type: 'Picklist', options: [1, 2] },
          cx_score: { type: 'Decimal', min: 0, max: 1 },
          cx_at: { type: 'DateTime' },
          cx_source: { type: 'String' },
          cx_number: { type: 'Integer' },
          cx_open: { type: 'Boolean' },
        },
      },
    ],
  });
  const { access_token: bearer } = await token('acme.example');
  api = new DynamicsWebApi({
    serverUrl: `${remote.url}/`,
    dataApi: { version: '9.2' },
    propagateErrors: true,
    onTokenRefresh: async () => bearer,
  });
});

test('a token is given to whom it is due, for the scope of the organisation', async () => {
  const given = await token('acme.example');
  assert.deepEqual([given.status, given.token_type], [200, 'Bearer']);
  const refused = [
    await token('other.example'),
    await token('acme.example', { client_secret: 'x' }),
    await token('acme.example', { client_id: 'x' }),
    await token('acme.example', { scope: 'https://other/.default' }),
  ];
  assert.deepEqual(
    refused.map(({ status, error_codes: codes }) => [status, codes[0]]),
    [
      [400, 90002],
      [401, 7000215],
      [400, 700016],
      [400, 70011],
    ],
  );
  const stranger = new DynamicsWebApi({
    serverUrl: `${remote.url}/`,
    onTokenRefresh: async () => 'nonsense',
  });
  await assert.rejects(stranger.callFunction('WhoAmI'), { status: 401 });
  assert.match((await api.callFunction('WhoAmI')).UserId, /^[0-9a-f-]{36}$/);
});

test('an upsert by an alternate key makes one row, then changes it', async () => {
  const id = await api.upsert({
    collection,
    key: key('T-1'),
    data: { cx_sentiment: 1, cx_at: '2026-11-24T10:00:00Z' },
  });
  assert.equal(await api.upsert({ collection, key: key('T-1'), data: { cx_score: 0.5 } }), id);
  assert.deepEqual(await held('T-1'), [[1, 0.5]]);
  const row = await api.upsert({
    collection,
    key: key('T-1'),
    data: { cx_score: null },
    returnRepresentation: true,
  });
  assert.deepEqual([row.cx_signalid, row.cx_score, row.cx_sentiment], [id, null, 1]);
  const byPair = await api.upsert({
    collection,
    key: "cx_source='desk',cx_number=7",
    data: { cx_open: true },
    returnRepresentation: true,
  });
  assert.deepEqual([byPair.cx_source, byPair.cx_number], ['desk', 7]);
});

test('conditions on the row are kept to', async () => {
  await fails(
    api.update({ collection, key: key('T-none'), data: { cx_score: 1 }, ifmatch: '*' }),
    404,
    '0x80060891',
  );
  await fails(api.upsert({ collection, key: key('T-1'), data: {}, ifnonematch: '*' }), 412, '0x80040237');
  const row = await api.retrieve({ collection, key: key('T-1') });
  await api.update({ collection, key: key('T-1'), data: { cx_score: 0.1 }, ifmatch: row['@odata.etag'] });
  const stale = await fetch(`${remote.url}/api/data/v9.2/${collection}(${key('T-1')})`, {
    method: 'PATCH',
    body: '{}',
    headers: {
      authorization: `Bearer ${(await token('acme.example')).access_token}`,
      'content-type': 'application/json',
      'if-match': row['@odata.etag'],
    },
  });
  assert.equal(stale.status, 412);
});

test('what a column cannot hold is refused, and changes nothing', async () => {
  const wrong = [
    [{ nonsense: 1 }, '0x80060888'],
    [{ cx_ticket: 'T-2' }, '0x80060888'],
    [{ cx_sentiment: 'bad' }, '0x80048d19'],
    [{ cx_sentiment: 3 }, '0x8004431A'],
    [{ cx_score: '0.5' }, '0x80048d19'],
    [{ cx_score: 2 }, '0x80044330'],
    [{ cx_at: 'today' }, '0x80048d19'],
    [{ cx_source: 'x'.repeat(101) }, '0x80044331'],
  ];
  for (const [data, code] of wrong)
    await fails(api.upsert({ collection, key: key('T-2'), data: { cx_score: 1, ...data } }), 400, code);
  assert.deepEqual(await held('T-2'), []);
  await fails(api.upsert({ collection, key: 'cx_sentiment=1', data: {} }), 400, '0x80060890');
  await fails(api.upsert({ collection, key: 'cx_ticket=5', data: {} }), 400, '0x80048d19');
  await fails(api.upsert({ collection, key: "cx_ticket='a%26b'", data: {} }), 400, '0x80060888');
  await fails(api.upsert({ collection: 'others', key: key('T-2'), data: {} }), 404, '0x80060888');
  await fails(api.retrieveMultiple({ collection, select: ['nonsense'] }), 400, '0x80060888');
});

test('a batch goes on behind a failure when asked to, else it stops there', async () => {
  const send = async (options) => {
    api.startBatch();
    api.upsert({
      collection,
      key: key(`${options.name}-1`),
      data: { cx_sentiment: 2 },
      inChangeSet: false,
    });
    api.upsert({
      collection,
      key: key(`${options.name}-2`),
      data: { cx_sentiment: 9 },
      inChangeSet: false,
    });
    api.upsert({
      collection,
      key: key(`${options.name}-3`),
      data: { cx_score: 0.25 },
      inChangeSet: false,
    });
    return api.executeBatch(options.prefer).catch((error) => error);
  };
  const all = await send({ name: 'on', prefer: { continueOnError: true } });
  assert.equal(all.length, 3);
  assert.equal(all[1].error.code, '0x8004431A');
  assert.deepEqual(
    [await held('on-1'), await held('on-2'), await held('on-3')],
    [[[2, null]], [], [[null, 0.25]]],
  );
  const some = await send({ name: 'off', prefer: {} });
  assert.equal(some.at(-1).error.code, '0x8004431A');
  assert.deepEqual([await held('off-1'), await held('off-2'), await held('off-3')], [[[2, null]], [], []]);
});

test('a change set is done as a whole or not at all', async () => {
  const send = async (...names) => {
    api.startBatch();
    for (const name of names) api.create({ collection, data: { cx_ticket: name } });
    return api.executeBatch().catch((error) => error);
  };
  assert.equal((await send('set-1', 'set-2')).length, 2);
  const failed = await send('set-3', 'set-1');
  assert.equal(failed[0].status, 412);
  assert.deepEqual([(await held('set-1')).length, (await held('set-3')).length], [1, 0]);
});

test('many rows are asked for at once, by pages', async () => {
  const { value } = await api.retrieveMultiple({
    collection,
    select: ['cx_ticket'],
    filter: "cx_ticket eq 'set-1' or cx_ticket eq 'ON-3'",
  });
  assert.deepEqual(value.map((row) => row.cx_ticket).sort(), ['on-3', 'set-1']);
  const all = await api.retrieveAll({ collection, select: ['cx_ticket'], maxPageSize: 2 });
  assert.equal(all.value.length, (await api.retrieveMultiple({ collection, count: true })).oDataCount);
});

test('too many requests are turned down, and waiting is longer for whoever does not', async () => {
  await remote.configure({
    protection: { window_max: 1, window_ms: 60_000, wait_ms: 1000, longer_ms: 5000 },
  });
  await api.callFunction('WhoAmI');
  const waits = [];
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(api.callFunction('WhoAmI'), (error) => {
      assert.deepEqual([error.status, error.code], [429, '0x80072322']);
      waits.push(Number(error.headers['retry-after']));
      return true;
    });
  }
  assert.ok(waits[0] === 1 && waits[1] > 4 && waits[2] > waits[1], String(waits));
  assert.equal((await remote.counters()).refused['sent during retry-after'], 2);
});
