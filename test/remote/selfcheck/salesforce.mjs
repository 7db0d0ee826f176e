// What jsforce does not let through: requests that are not as they should be.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('salesforce');
const PATH = '/services/data/v60.0/composite/sobjects/CX_Signal__c/Ticket_Key__c';
const TYPE = { type: 'CX_Signal__c' };

async function ask(method, path, body, headers = {}) {
  const response = await fetch(`${remote.url}${path}`, {
    method,
    headers: { authorization: 'Bearer good', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
    redirect: 'manual',
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

async function refused(promise, status, code) {
  const answer = await promise;
  assert.deepEqual([answer.status, answer.body[0].errorCode], [status, code]);
}

test.beforeEach(() => remote.reset({ auth: { static_tokens: ['good'] } }));

test('a malformed request is refused, and nothing is done', async () => {
  const good = { attributes: TYPE, Ticket_Key__c: 'T-1' };
  await refused(ask('PATCH', PATH, '{"records":['), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, [good]), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, { records: [] }), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, { records: [good, { Ticket_Key__c: 'T-2' }] }), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, { records: [good, { ...good, attributes: { type: 'Account' } }] }), 400, 'INVALID_FIELD');
  await refused(ask('PATCH', PATH, { records: [good], extra: 1 }), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, { records: [good], allOrNone: 'no' }), 400, 'JSON_PARSER_ERROR');
  await refused(ask('PATCH', PATH, { records: Array(201).fill(good) }), 400, 'EXCEEDED_ID_LIMIT');
  await refused(ask('PATCH', PATH, { records: [good] }, { 'content-type': 'text/plain' }), 415, 'UNSUPPORTED_MEDIA_TYPE');
  await refused(ask('PATCH', PATH.replace('Ticket_Key__c', 'Source__c'), { records: [good] }), 404, 'NOT_FOUND');
  await refused(ask('PATCH', PATH.replace('v60', 'v12'), { records: [good] }), 404, 'NOT_FOUND');
  await refused(ask('PUT', PATH, { records: [good] }), 405, 'METHOD_NOT_ALLOWED');
  assert.deepEqual(await remote.records('CX_Signal__c'), []);
});

test('a record needs its external id, and may not have an Id', async () => {
  const { status, body } = await ask('PATCH', PATH, {
    allOrNone: false,
    records: [{ attributes: TYPE }, { attributes: TYPE, Ticket_Key__c: 'T-1', Id: 'a00000000000001AAA' }, { attributes: TYPE, Ticket_Key__c: 'T-2' }],
  });
  assert.equal(status, 200);
  assert.deepEqual(body.map(({ success, errors }) => [success, errors[0]?.statusCode]), [[false, 'MISSING_ARGUMENT'], [false, 'INVALID_FIELD'], [true, undefined]]);
});

test('an unknown field may refuse the whole request', async () => {
  await remote.configure({ unknown_field: 'request' });
  const records = [{ attributes: TYPE, Ticket_Key__c: 'T-1' }, { attributes: TYPE, Ticket_Key__c: 'T-2', Nonsense__c: 1 }];
  await refused(ask('PATCH', PATH, { records }), 400, 'INVALID_FIELD');
  assert.deepEqual(await remote.records('CX_Signal__c'), []);
});

test('a single upsert has its external id in the path alone', async () => {
  const one = '/services/data/v60.0/sobjects/CX_Signal__c/Ticket_Key__c/A%2F1%20%C3%BC';
  assert.equal((await ask('PATCH', `${one}?updateOnly=true`, {})).status, 404);
  assert.equal((await ask('PATCH', one, { Version__c: 1 })).status, 201);
  assert.equal((await ask('PATCH', one, { Version__c: 2 })).status, 200);
  await refused(ask('PATCH', one, { Ticket_Key__c: 'A/1 ü' }), 400, 'INVALID_FIELD');
  await remote.configure({ update_status: 204, ambiguous: ['T-9'] });
  assert.equal((await ask('PATCH', one, { Version__c: 3 })).status, 204);
  assert.equal((await ask('GET', one)).body.Version__c, 3);
  const many = await ask('PATCH', one.replace(/A%2F.*/, 'T-9'), {});
  assert.deepEqual([many.status, many.body.length], [300, 2]);
  assert.deepEqual((await remote.records('CX_Signal__c')).map(({ key, fields }) => [key, fields.Version__c]), [['A/1 ü', 3]]);
});

test('versions need no session, and every other answer tells the usage', async () => {
  const versions = await ask('GET', '/services/data/', undefined, { authorization: '' });
  assert.ok(versions.body.some(({ version }) => version === '60.0'));
  assert.equal(versions.headers.get('sforce-limit-info'), 'api-usage=0/100000');
  await refused(ask('GET', '/services/data/v60.0/sobjects', undefined, { authorization: '' }), 401, 'INVALID_SESSION_ID');
  await remote.configure({ bursts: true });
  const { headers } = await ask('GET', '/services/data/v60.0/sobjects');
  assert.equal(headers.get('sforce-limit-info'), 'api-usage=1/100000; api-bursts=1/750');
});

test('a query tells how many there are, and that these are all', async () => {
  await ask('PATCH', PATH, { records: [1, 2, 3].map((n) => ({ attributes: TYPE, Ticket_Key__c: `T-${n}`, Version__c: n })) });
  const query = (text) => ask('GET', `/services/data/v60.0/query?q=${encodeURIComponent(text)}`);
  const { body } = await query("SELECT Id, Version__c FROM CX_Signal__c WHERE Ticket_Key__c IN ('t-1','T-3','T-9')");
  assert.deepEqual([body.totalSize, body.done, body.records.map((row) => row.Version__c)], [2, true, [1, 3]]);
  assert.match(body.records[0].attributes.url, /^\/services\/data\/v60.0\/sobjects\/CX_Signal__c\/a0\w{16}$/);
  await refused(query("SELECT Id FROM CX_Signal__c WHERE Ticket_Key__c IN ('T-1'"), 400, 'MALFORMED_QUERY');
  await refused(query("SELECT Id FROM CX_Signal__c WHERE Ticket_Key__c = 'it's'"), 400, 'MALFORMED_QUERY');
  await refused(query('SELECT Id FROM Nonsense__c'), 400, 'INVALID_TYPE');
  const long = await fetch(`${remote.url}/services/data/v60.0/query?q=${'x'.repeat(17000)}`, { headers: { authorization: 'Bearer good' } });
  assert.equal(long.status, 414);
});
