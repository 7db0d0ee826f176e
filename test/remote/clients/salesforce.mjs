// The stand-in of Salesforce as jsforce sees it.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import test from 'node:test';

import jsforce from 'jsforce';

import { steer } from '../lib/steer.js';

const OBJECT = 'CX_Signal__c';
const KEY = 'Ticket_Key__c';
const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const remote = await steer('salesforce');
const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });

function connection(more) {
  return new jsforce.Connection({ loginUrl: remote.url, instanceUrl: remote.url, version: '60.0', maxRequest: 5, ...more });
}

async function connect(secret = 'hush') {
  const oauth2 = { loginUrl: remote.url, clientId: 'cxsig', clientSecret: secret };
  const conn = connection({ oauth2, instanceUrl: 'http://127.0.0.1:9' });
  await conn.authorize({ grant_type: 'client_credentials' });
  return conn;
}

function assertion(claims, key = privateKey) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const seconds = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'RS256' })}.${part({ iss: 'cxsig', sub: 'cx@acme.test', aud: 'https://login.salesforce.com', exp: seconds + 170, ...claims })}`;
  return `${signed}.${crypto.sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`;
}

function codes(results) {
  return results.map(({ success, errors }) => (success ? 'ok' : errors.map((error) => error.statusCode).join()));
}

test.beforeEach(() =>
  remote.reset({
    auth: {
      clients: { cxsig: 'hush' },
      jwt: { public_key: publicKey.export({ type: 'spki', format: 'pem' }), subjects: ['cx@acme.test'], audiences: ['https://login.salesforce.com'] },
    },
  }),
);

test('client credentials give a token, and a wrong secret gives none', async () => {
  const conn = await connect();
  assert.equal(conn.instanceUrl, remote.url);
  assert.equal(conn.userInfo.organizationId.length, 18);
  await assert.rejects(connect('wrong'), (error) => error.name === 'invalid_client');
  const { tokens } = await remote.counters();
  assert.deepEqual(tokens, { issued: 1, refused: 1, reused: 0 });
});

test('an assertion gives a token where it is signed and says what it should', async () => {
  const grant = (text) => connection({ oauth2: { loginUrl: remote.url } }).authorize({ grant_type: JWT_GRANT, assertion: text });
  await grant(assertion({}));
  const other = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const late = Math.floor(Date.now() / 1000) + 3600;
  for (const wrong of [assertion({}, other), assertion({ sub: 'x' }), assertion({ aud: 'x' }), assertion({ iss: 'x' }), assertion({ exp: late }), assertion({ exp: 1 })]) {
    await assert.rejects(grant(wrong), (error) => error.name === 'invalid_grant');
  }
});

test('a session that ended is refused, and jsforce gets a new one', async () => {
  const { accessToken } = await connect();
  const conn = connection({ accessToken });
  assert.equal((await conn.sobject(OBJECT).describe()).name, OBJECT);
  await remote.control('expire');
  await assert.rejects(conn.sobject(OBJECT).describe(), (error) => error.errorCode === 'INVALID_SESSION_ID');
  const refreshing = connection({
    accessToken: 'stale',
    refreshFn: async (_, callback) => callback(null, (await connect()).accessToken),
  });
  assert.equal((await refreshing.sobject(OBJECT).describe()).name, OBJECT);
});

test('a collection is upserted by external id, each record on its own', async () => {
  const conn = await connect();
  const upsert = (records, options) => conn.sobject(OBJECT).upsert(records, KEY, options);
  const first = await upsert([{ [KEY]: 'T-1', Version__c: 1 }, { [KEY]: 'T-2', Sentiment__c: 'positive' }]);
  assert.deepEqual(first.map(({ success, created }) => [success, created]), [[true, true], [true, true]]);
  assert.match(first[0].id, /^a0[A-Za-z0-9]{16}$/);

  const second = await upsert([
    { [KEY]: 't-1', Version__c: 2, Sentiment__c: null },
    { [KEY]: 'T-3', Nonsense__c: 1 },
    { [KEY]: 'T-4', Sentiment__c: 'angry' },
    { [KEY]: 'T-5', Version__c: 'three' },
    { [KEY]: 'T-6', Source__c: 'x'.repeat(81) },
    { [KEY]: 'T-7' },
    { [KEY]: 'T-7' },
    { [KEY]: 'T-8', Occurred_At__c: 'yesterday' },
    { [KEY]: 'T-9', Occurred_At__c: '2026-11-24T05:00:00.000Z', Open__c: true },
  ]);
  assert.deepEqual(codes(second), [
    'ok', 'INVALID_FIELD', 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', 'INVALID_TYPE_ON_FIELD_IN_RECORD',
    'STRING_TOO_LONG', 'DUPLICATE_VALUE', 'DUPLICATE_VALUE', 'INVALID_TYPE_ON_FIELD_IN_RECORD', 'ok',
  ]);
  assert.deepEqual([second[0].id, second[0].created], [first[0].id, false]);
  assert.deepEqual((await remote.records(OBJECT)).map(({ fields }) => fields[KEY]), ['t-1', 'T-2', 'T-9']);

  const together = await upsert([{ [KEY]: 'T-10' }, { [KEY]: 'T-11', Nonsense__c: 1 }], { allOrNone: true });
  assert.deepEqual(codes(together), ['ALL_OR_NONE_OPERATION_ROLLED_BACK', 'INVALID_FIELD']);
});

test('more records than fit into a call go out in several', async () => {
  const conn = await connect();
  const many = Array.from({ length: 401 }, (_, i) => ({ [KEY]: `T-${i}` }));
  await assert.rejects(conn.sobject(OBJECT).upsert(many, KEY), (error) => error.errorCode === 'EXCEEDED_ID_LIMIT');
  const results = await conn.sobject(OBJECT).upsert(many, KEY, { allowRecursive: true });
  assert.equal(results.filter(({ success }) => success).length, 401);
  assert.equal((await remote.counters()).requests.upsert[200], 3);
});

test('one record is upserted, read, changed and deleted', async () => {
  const conn = await connect();
  const object = conn.sobject(OBJECT);
  const made = await object.upsert({ [KEY]: 'A 1 ü', Version__c: 1 }, KEY);
  assert.deepEqual([made.success, made.created], [true, true]);
  const again = await object.upsert({ [KEY]: 'A 1 ü', Version__c: 2 }, KEY);
  assert.deepEqual([again.id, again.created], [made.id, false]);
  assert.equal((await object.retrieve(made.id)).Version__c, 2);
  assert.equal((await object.update({ Id: made.id, Version__c: 3 })).success, true);
  await assert.rejects(object.update({ Id: made.id, Nonsense__c: 3 }), (error) => error.errorCode === 'INVALID_FIELD');
  await assert.rejects(object.create({ [KEY]: 'a 1 ü' }), (error) => error.errorCode === 'DUPLICATE_VALUE');
  assert.equal((await object.destroy(made.id)).success, true);
  await assert.rejects(object.retrieve(made.id), (error) => error.errorCode === 'NOT_FOUND');
  await assert.rejects(object.upsert({ Version__c: '1', Source__c: 'T-1' }, 'Source__c'), (error) => error.errorCode === 'NOT_FOUND');
});

test('an external id that several records have is ambiguous', async () => {
  await remote.configure({ ambiguous: ['T-1'] });
  const conn = await connect();
  await assert.rejects(conn.sobject(OBJECT).upsert({ [KEY]: 'T-1' }, KEY), (error) => error.name === 'MULTIPLE_CHOICES');
  assert.deepEqual(codes(await conn.sobject(OBJECT).upsert([{ [KEY]: 'T-1' }], KEY)), ['DUPLICATE_EXTERNAL_ID']);
});

test('an event is enqueued', async () => {
  const conn = await connect();
  const result = await conn.sobject('CX_Signal__e').create({ Event_Id__c: 'evt_1', Version__c: 1 });
  assert.equal(result.success, true);
  assert.deepEqual(result.errors.map((error) => error.statusCode), ['OPERATION_ENQUEUED']);
});

test('records are found by a query', async () => {
  const conn = await connect();
  await conn.sobject(OBJECT).upsert([{ [KEY]: "it's", Version__c: 1 }, { [KEY]: 'T-2', Version__c: 2 }, { [KEY]: 'T-3' }], KEY);
  const found = await conn.sobject(OBJECT).find({ [KEY]: { $in: ["it's", 'T-2', 'T-9'] } }, ['Id', KEY, 'Version__c']).execute();
  assert.deepEqual(found.map((row) => [row[KEY], row.Version__c, row.attributes.type]), [["it's", 1, OBJECT], ['T-2', 2, OBJECT]]);
  const { totalSize, done } = await conn.query(`SELECT Id FROM ${OBJECT} WHERE ${KEY} = 'T-3' LIMIT 1`);
  assert.deepEqual([totalSize, done], [1, true]);
  await assert.rejects(conn.query('SELECT Nonsense__c FROM CX_Signal__c'), (error) => error.errorCode === 'INVALID_FIELD');
  await assert.rejects(conn.query('SELECT FROM'), (error) => error.errorCode === 'MALFORMED_QUERY');
});

test('objects describe themselves', async () => {
  const conn = await connect();
  const { fields } = await conn.sobject(OBJECT).describe();
  const picklist = fields.find(({ name }) => name === 'Sentiment__c');
  assert.equal(picklist.restrictedPicklist, true);
  assert.ok(picklist.picklistValues.some(({ value }) => value === 'negative'));
  assert.ok((await conn.describeGlobal()).sobjects.some(({ name }) => name === OBJECT));
});

test('calls count against the quota, and past it none is taken', async () => {
  await remote.configure({ limits: { daily_max: 3 } });
  const conn = await connect();
  await conn.sobject(OBJECT).describe();
  assert.deepEqual(conn.limitInfo.apiUsage, { used: 1, limit: 3 });
  await conn.sobject(OBJECT).describe();
  await conn.sobject(OBJECT).describe();
  await assert.rejects(conn.sobject(OBJECT).describe(), (error) => error.errorCode === 'REQUEST_LIMIT_EXCEEDED');
});

test('a row that is locked is refused once', async () => {
  await remote.configure({ faults: [{ kind: 'row', match: 'T-2', count: 1 }] });
  const conn = await connect();
  const records = [{ [KEY]: 'T-1' }, { [KEY]: 'T-2' }];
  assert.deepEqual(codes(await conn.sobject(OBJECT).upsert(records, KEY)), ['ok', 'UNABLE_TO_LOCK_ROW']);
  assert.deepEqual(codes(await conn.sobject(OBJECT).upsert(records, KEY)), ['ok', 'ok']);
});
