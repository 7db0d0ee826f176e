// What node-zendesk does not reach: forms of requests that are refused, and the words of refusals.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('zendesk');
const FIELDS = [
  { id: 11, title: 'Sentiment', type: 'tagger', options: ['bad', 'good'] },
  { id: 12, title: 'Themes', type: 'multiselect', options: ['price', 'speed'] },
  { id: 13, title: 'Evidence', type: 'text' },
];

async function ask(method, path, body, headers = {}) {
  const response = await fetch(`${remote.url}${path}`, {
    method,
    headers: { authorization: 'Bearer key', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

async function held(key) {
  return (await remote.records('ticket')).find((record) => record.key === key).fields;
}

const many = (query, body) => ask('PUT', `/api/v2/tickets/update_many.json${query}`, body);

test.beforeEach(() =>
  remote.reset({
    auth: { static_tokens: ['key'] },
    ticket_fields: FIELDS,
    tickets: { from: 1, to: 120, each: { tags: ['vip'] } },
  }),
);

test('a request without a good token is told so', async () => {
  const none = await ask('GET', '/api/v2/tickets/1.json', undefined, { authorization: '' });
  assert.deepEqual([none.status, none.body.error], [401, "Couldn't authenticate you"]);
  const nobody = await ask('GET', '/api/v2/users/me.json', undefined, { authorization: '' });
  assert.deepEqual([nobody.status, nobody.body.user.id], [200, null]);
  const bad = await ask('GET', '/api/v2/users/me.json', undefined, { authorization: 'Bearer nonsense' });
  assert.deepEqual([bad.status, bad.body.error], [401, 'invalid_token']);
  assert.match(bad.headers.get('www-authenticate'), /^Bearer /);
});

test('what is no JSON, or for nobody, is refused', async () => {
  assert.equal((await ask('PUT', '/api/v2/tickets/1', '{')).status, 422);
  assert.equal((await ask('PUT', '/api/v2/tickets/1', '{}')).status, 400);
  assert.equal((await ask('PUT', '/api/v2/tickets/1', '{}', { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await ask('PUT', '/api/v2/tickets/x', { ticket: {} })).status, 404);
  assert.equal((await ask('GET', '/api/v2/nonsense')).body.error, 'InvalidEndpoint');
});

test('many tickets: either ids and a ticket, or tickets', async () => {
  const ids = (n) => Array.from({ length: n }, (_, i) => i + 1);
  assert.equal((await many(`?ids=${ids(100)}`, { ticket: { priority: 'high' } })).status, 200);
  assert.equal((await many(`?ids=${ids(101)}`, { ticket: { priority: 'high' } })).status, 400);
  assert.equal((await many('', { tickets: ids(101).map((id) => ({ id })) })).status, 400);
  assert.equal((await many('?ids=1', { tickets: [{ id: 1 }] })).status, 400);
  assert.equal((await many('', { ticket: {} })).status, 400);
  assert.equal((await many('', { tickets: [{ id: 1 }, { id: 1 }] })).status, 400);
  assert.equal((await many('', { tickets: [{ priority: 'high' }] })).status, 400);
  assert.equal((await many('?ids=1', { ticket: { id: 1 } })).status, 400);
});

test('in a list of tickets each has its own outcome, and tags are not added', async () => {
  const { body } = await many('', {
    tickets: [
      { id: 1, custom_fields: [{ id: 13, value: 'a' }] },
      { id: 2, additional_tags: ['cx'] },
      { id: 3, custom_fields: [{ id: 99, value: 'a' }] },
      { id: 4, safe_update: true },
      { id: 5, tags: ['cx'] },
    ],
  });
  assert.deepEqual(
    body.job_status.results.map(({ id, success, error }) => [id, success, error]),
    [
      [1, true, undefined],
      [2, false, 'InvalidAttribute'],
      [3, false, 'RecordInvalid'],
      [4, false, 'InvalidAttribute'],
      [5, true, undefined],
    ],
  );
  assert.deepEqual(
    [(await held('1'))[13], (await held('2')).tags, (await held('5')).tags],
    ['a', ['vip'], ['cx']],
  );
  const { records, refused } = await remote.counters();
  assert.deepEqual([records.updated, records.refused, refused['unknown field']], [2, 3, 1]);
});

test('tags of a ticket have calls of their own', async () => {
  const put = await ask('PUT', '/api/v2/tickets/1/tags.json', { tags: ['cx', 'bad'] });
  assert.deepEqual([put.status, put.body.tags], [200, ['bad', 'cx', 'vip']]);
  assert.equal((await held('1'))[11], 'bad', 'a tag chooses the drop-down');
  const gone = await ask('DELETE', '/api/v2/tickets/1/tags.json', { tags: ['vip', 'bad'] });
  assert.deepEqual(gone.body.tags, ['cx']);
  assert.equal((await held('1'))[11], null);
  assert.deepEqual((await ask('POST', '/api/v2/tickets/1/tags.json', { tags: ['x'] })).body.tags, ['x']);
});

test('a multi-select is a list of tags', async () => {
  const set = (value) => ask('PUT', '/api/v2/tickets/1', { ticket: { custom_fields: [{ id: 12, value }] } });
  assert.deepEqual((await set(['speed', 'price'])).body.ticket.tags, ['price', 'speed', 'vip']);
  assert.deepEqual((await set(['speed'])).body.ticket.tags, ['speed', 'vip']);
  assert.equal((await set(['nonsense'])).status, 422);
  assert.equal((await set('speed')).status, 422);
  assert.deepEqual((await set(null)).body.ticket.tags, ['vip']);
});

test('the history has each write, with the fields that were written', async () => {
  for (const value of ['a', 'b']) {
    await ask('PUT', '/api/v2/tickets/1', { ticket: { custom_fields: [{ id: 13, value }] } });
  }
  const writes = (await remote.history('ticket')).filter(
    ({ key, action }) => key === '1' && action === 'update',
  );
  assert.deepEqual(
    writes.map(({ fields }) => fields),
    [{ 13: 'a' }, { 13: 'b' }],
  );
});

test('faults are worded as Zendesk words them', async () => {
  await remote.configure({
    faults: [
      { kind: '429', count: 1, retry_after: 3 },
      { kind: '503', count: 1 },
      { kind: '500', count: 1, apply: true },
      { kind: 'row', match: '2', count: 1, code: 'DatabaseConflict', message: 'again' },
    ],
  });
  const put = (id) =>
    ask('PUT', `/api/v2/tickets/${id}`, { ticket: { custom_fields: [{ id: 13, value: 'f' }] } });
  const over = await put(1);
  assert.deepEqual([over.status, over.headers.get('retry-after'), typeof over.body], [429, '3', 'string']);
  assert.equal((await put(1)).status, 503);
  assert.equal((await held('1'))[13], null);
  assert.equal((await put(1)).status, 500);
  assert.equal((await held('1'))[13], 'f', 'applied all the same');
  const { body } = await many('?ids=1,2', { ticket: { additional_tags: ['cx'] } });
  assert.deepEqual(
    body.job_status.results.map(({ success, error, details }) => [success, error, details]),
    [
      [true, undefined, undefined],
      [false, 'DatabaseConflict', 'again'],
    ],
  );
});

test('limits: of the account, of an endpoint, of a ticket', async () => {
  const put = (id) => ask('PUT', `/api/v2/tickets/${id}`, { ticket: { priority: 'high' } });
  await remote.configure({ ticket_limits: { window_max: 1 } });
  assert.deepEqual([(await put(1)).status, (await put(1)).status, (await put(2)).status], [200, 429, 200]);
  await remote.configure({ limits: { window_max: 4 } });
  const seen = [];
  for (let i = 0; i < 5; i += 1) seen.push(await ask('GET', '/api/v2/tickets/1.json'));
  assert.deepEqual(
    seen.map(({ status }) => status),
    [200, 200, 200, 200, 429],
  );
  assert.equal(seen[0].headers.get('x-rate-limit-remaining'), '3');
  assert.equal(seen[3].headers.get('ratelimit-remaining'), '0');
  assert.equal(seen[4].body.error, 'APIRateLimitExceeded');
  assert.ok(Number(seen[4].headers.get('retry-after')) > 0);
});
