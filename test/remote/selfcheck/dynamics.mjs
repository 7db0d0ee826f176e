// What dynamics-web-api does not reach: batches sent by hand, faults, and the settings of the stand-in.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('dynamics');
const ROOT = '/api/data/v9.2/';
const TABLES = [
  {
    name: 'cx_signal',
    keys: [['cx_ticket']],
    columns: { cx_ticket: { type: 'String' }, cx_score: { type: 'Integer' }, cx_note: { type: 'Memo' } },
  },
];

async function ask(method, path, body, headers = {}) {
  const response = await fetch(`${remote.url}${path}`, {
    method,
    headers: { authorization: 'Bearer key', 'content-type': 'application/json', ...headers },
    body: typeof body === 'object' ? JSON.stringify(body) : body,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function code({ text }) {
  return JSON.parse(text).error.code;
}

function patch(ticket, body, headers) {
  return ask('PATCH', `${ROOT}cx_signals(cx_ticket='${encodeURIComponent(ticket)}')`, body, headers);
}

function part(url, body, headers = '') {
  return (
    '--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n' +
    `PATCH ${url} HTTP/1.1\r\nContent-Type: application/json\r\n${headers}\r\n${JSON.stringify(body)}\r\n`
  );
}

function batch(parts, headers = {}) {
  return ask('POST', `${ROOT}$batch`, `${parts.join('')}--b--\r\n`, {
    'content-type': 'multipart/mixed; boundary="b"',
    ...headers,
  });
}

// The statuses of a batch's answers, in order.
function statuses({ text }) {
  return [...text.matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, status]) => Number(status));
}

async function held() {
  const found = (await remote.records('cx_signal')).map(({ key, fields }) => [key, fields.cx_score]);
  return Object.fromEntries(found);
}

test.beforeEach(() => remote.reset({ auth: { static_tokens: ['key'] }, tables: TABLES }));

test('one row: 204 and where it is, made or changed', async () => {
  const made = await patch('T-1', { cx_score: 1 });
  assert.deepEqual([made.status, made.text], [204, '']);
  assert.match(made.headers.get('odata-entityid'), /\/api\/data\/v9\.2\/cx_signals\([0-9a-f-]{36}\)$/);
  const changed = await patch('t-1', { cx_score: 2 });
  assert.equal(changed.headers.get('odata-entityid'), made.headers.get('odata-entityid'));
  const shown = await patch("O'Neil", { cx_score: 3 }, { prefer: 'return=representation' });
  assert.equal(shown.status, 400, 'a single quote has to be doubled');
  const doubled = await patch("O''Neil", { cx_score: 3 }, { prefer: 'return=representation' });
  assert.equal(doubled.status, 201);
  assert.equal(JSON.parse(doubled.text).cx_ticket, "O'Neil");
  assert.deepEqual(await held(), { 'T-1': 2, "O'Neil": 3 });
  await remote.configure({ entity_id: 'key', fold_keys: false });
  const own = await patch('t-1', { cx_score: 5 });
  assert.ok(own.headers.get('odata-entityid').endsWith("cx_signals(cx_ticket='t-1')"));
  assert.equal((await held())['t-1'], 5);
});

test('conditions and headers', async () => {
  assert.equal((await patch('T-1', {}, { 'if-match': '*' })).status, 404);
  assert.equal((await patch('T-1', {}, { 'if-none-match': '*' })).status, 204);
  assert.equal((await patch('T-1', {}, { 'if-none-match': '*' })).status, 412);
  assert.equal((await patch('T-1', {}, { 'if-match': 'W/"1"' })).status, 204);
  assert.equal(code(await patch('T-1', {}, { 'if-match': 'W/"1"' })), '0x80060882');
  assert.equal((await patch('T-1', '{}', { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await patch('T-1', {}, { 'odata-version': '3.0' })).status, 400);
  assert.equal(code(await patch('T-1', '{')), '0x80048d19');
  assert.equal((await patch('T:1', {})).status, 400);
  await remote.configure({ refused_key_characters: '' });
  assert.equal((await patch('T:1', {})).status, 204);
  assert.equal((await ask('GET', `${ROOT}WhoAmI`, undefined, { authorization: 'Bearer no' })).status, 401);
  assert.equal((await ask('GET', '/api/data/v8.2/cx_signals')).status, 404);
});

test('a batch answers part by part, in order', async () => {
  const host = new URL(remote.url);
  const done = await batch(
    [
      part(`${remote.url}${ROOT}cx_signals(cx_ticket='A')`, { cx_score: 1 }),
      part(`${host.pathname}${ROOT}cx_signals(cx_ticket='B')`, { cx_score: 'x' }),
      part("cx_signals(cx_ticket='C')", { cx_score: 3 }, 'Prefer: return=representation\r\n'),
      part("cx_signals(cx_ticket='A')", { cx_score: 4 }),
    ],
    { prefer: 'odata.continue-on-error' },
  );
  assert.equal(done.status, 200);
  assert.match(done.headers.get('content-type'), /^multipart\/mixed; boundary=batchresponse_/);
  assert.deepEqual(statuses(done), [204, 400, 201, 204]);
  assert.deepEqual(await held(), { A: 4, C: 3 });
  assert.equal((await remote.counters()).records.refused, 1);
});

test('a batch stops at the first failure unless it is to go on', async () => {
  const parts = [
    part("cx_signals(cx_ticket='A')", { cx_score: 1 }),
    part("cx_signals(cx_ticket='B')", { nonsense: 1 }),
    part("cx_signals(cx_ticket='C')", { cx_score: 3 }),
  ];
  const stopped = await batch(parts);
  assert.deepEqual([stopped.status, statuses(stopped)], [400, [204, 400]]);
  await remote.configure({ stopped_status: 200 });
  assert.deepEqual([(await batch(parts)).status, await held()], [200, { A: 1 }]);
});

test('what is no batch does nothing at all', async () => {
  const good = part("cx_signals(cx_ticket='A')", { cx_score: 1 });
  assert.equal((await batch([good, part('$batch', {})])).status, 400);
  assert.equal((await batch([good.replaceAll('\r\n', '\n')])).status, 400);
  assert.equal((await batch([good], { 'content-type': 'application/json' })).status, 400);
  assert.equal((await batch(Array(1001).fill(good))).status, 400);
  assert.deepEqual(await held(), {});
  assert.equal((await batch(Array(1000).fill(good))).status, 200);
});

test('faults are worded as Dataverse words them', async () => {
  await remote.configure({
    faults: [
      { kind: '429', count: 1, retry_after: 7 },
      { kind: '503', count: 1 },
      { kind: '401', count: 1 },
      { kind: 'row', match: 'B', count: 1, status: 412, code: '0x80040237', message: 'again' },
    ],
  });
  const over = await patch('A', { cx_score: 1 });
  assert.deepEqual([over.status, over.headers.get('retry-after'), code(over)], [429, '7', '0x80072322']);
  assert.equal((await patch('A', { cx_score: 1 })).status, 503);
  assert.equal(
    (await patch('A', { cx_score: 1 })).headers.get('www-authenticate')?.startsWith('Bearer'),
    true,
  );
  const parts = ['A', 'B', 'C'].map((ticket) => part(`cx_signals(cx_ticket='${ticket}')`, { cx_score: 1 }));
  const some = await batch(parts, { prefer: 'odata.continue-on-error' });
  assert.deepEqual(statuses(some), [204, 412, 204]);
  assert.deepEqual(await held(), { A: 1, C: 1 });
});

test('a record of a change set that is refused leaves the others undone', async () => {
  await remote.configure({ faults: [{ kind: 'row', match: 'B', count: 1 }] });
  const set = (...tickets) => [
    '--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n',
    ...tickets.map((ticket, i) =>
      part(`cx_signals(cx_ticket='${ticket}')`, { cx_score: 1 })
        .replace('--b', '--c')
        .replace('binary\r\n', `binary\r\nContent-ID: ${i}\r\n`),
    ),
    '--c--\r\n',
  ];
  const refused = await batch(set('A', 'B'));
  assert.deepEqual([refused.status, statuses(refused), await held()], [400, [400], {}]);
  assert.deepEqual(statuses(await batch(set('A', 'B'))), [204, 204]);
  assert.deepEqual(await held(), { A: 1, B: 1 });
});

test('protection: by execution time and by what is in flight', async () => {
  await remote.configure({ protection: { time_max_ms: 100, cost_ms: 30 } });
  const parts = (n) => Array(n).fill(part("cx_signals(cx_ticket='A')", { cx_score: 1 }));
  assert.equal((await batch(parts(3))).status, 200);
  assert.equal((await batch(parts(1))).status, 200);
  assert.equal(code(await batch(parts(1))), '0x80072321');
  await remote.configure({
    protection: { concurrent_max: 1 },
    faults: [{ kind: 'hold', count: 1, apply: true }],
  });
  const first = patch('A', { cx_score: 2 });
  while ((await remote.counters()).held < 1) {
    // the request is on its way
  }
  assert.equal(code(await patch('B', { cx_score: 2 })), '0x80072326');
  await remote.control('release');
  assert.equal((await first).status, 204);
});

test('rows that are there at first are found, once', async () => {
  const rows = [{ table: 'cx_signal', values: { cx_ticket: 'A', cx_score: 7 } }];
  await remote.configure({ rows });
  await remote.configure({ rows });
  assert.deepEqual(await held(), { A: 7 });
  const some = await ask(
    'GET',
    `${ROOT}cx_signals?$select=cx_score&$filter=${encodeURIComponent("cx_ticket eq 'A'")}`,
  );
  assert.equal(JSON.parse(some.text).value[0].cx_score, 7);
  await assert.rejects(remote.configure({ rows: [{ table: 'none', values: {} }] }), /no table/);
  await assert.rejects(
    remote.configure({ tables: [{ name: 'x', columns: { a: { type: 'Text' } } }] }),
    /no type/,
  );
});
