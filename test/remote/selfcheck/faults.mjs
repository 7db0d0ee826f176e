// Faults strike as often as they should, do what they say, and what was applied is in the journal.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('salesforce');
const TYPE = { type: 'CX_Signal__c' };

async function upsert(version, key = 'T-1') {
  const response = await fetch(`${remote.url}/services/data/v60.0/composite/sobjects/CX_Signal__c/Ticket_Key__c`, {
    method: 'PATCH',
    headers: { authorization: 'Bearer good', 'content-type': 'application/json' },
    body: JSON.stringify({ records: [{ attributes: TYPE, Ticket_Key__c: key, Version__c: version }] }),
    signal: AbortSignal.timeout(500),
  });
  await response.text();
  return response.status;
}

async function versions() {
  return (await remote.history('CX_Signal__c')).map(({ fields }) => fields.Version__c);
}

async function ask(verb) {
  const response = await fetch(remote.url.replace('/salesforce', `/_control/salesforce/${verb}`));
  return response.json();
}

test.beforeEach(() => remote.reset({ auth: { static_tokens: ['good'] } }));

test('each does what it says, as often as it should', async () => {
  await remote.configure({
    faults: [
      { kind: '500', count: 1 },
      { kind: '503', count: 1, apply: true },
      { kind: 'hang', count: 1 },
      { kind: 'timeout', count: 1 },
      { kind: 'close', count: 1 },
      { kind: 'reset', count: 1 },
    ],
  });
  assert.equal(await upsert(1), 500);
  assert.equal(await upsert(2), 503);
  for (const version of [3, 4, 5, 6]) await assert.rejects(upsert(version));
  assert.equal(await upsert(7), 200);
  assert.deepEqual(await versions(), [2, 4, 6, 7]);
  const { requests, faults, total } = await remote.counters();
  assert.deepEqual(requests.upsert, { 0: 4, 200: 1, 500: 1, 503: 1 });
  assert.equal(Object.keys(faults).length, 6);
  assert.equal(total, 7);
});

test('a seed makes the same requests fail', async () => {
  const run = async () => {
    await remote.reset({ auth: { static_tokens: ['good'] }, seed: 7, faults: [{ kind: '500', probability: 0.5 }] });
    const statuses = [];
    for (let i = 0; i < 20; i += 1) statuses.push(await upsert(i));
    return statuses;
  };
  const first = await run();
  assert.equal(new Set(first).size, 2);
  assert.deepEqual(await run(), first);
});

test('a request is held until it is released', async () => {
  await remote.configure({ faults: [{ kind: 'hold', count: 1 }] });
  const held = upsert(1);
  while ((await remote.counters()).held === 0);
  assert.deepEqual(await versions(), []);
  assert.equal((await remote.counters()).in_flight, 1);
  assert.deepEqual(await remote.control('release'), { released: 1 });
  assert.equal(await held, 200);
  assert.deepEqual(await versions(), [1]);
});

test('a write older than one before it shows, as do repeats', async () => {
  for (const [version, key] of [[1, 'T-1'], [3, 'T-1'], [2, 'T-1'], [3, 'T-1'], [1, 'T-2'], [2, 'T-2']]) await upsert(version, key);
  const { regressions } = await ask('regressions?field=Version__c');
  assert.deepEqual(regressions.map(({ seq, key, version, before }) => [seq, key, version, before]), [[3, 'T-1', 2, 3]]);
  assert.deepEqual((await ask('repeats?field=Version__c')).repeats.map(({ seq }) => seq), [4]);
  assert.equal((await ask('duplicates')).total, 0);
  assert.equal((await ask('duplicates?field=Version__c')).total, 0);
  await upsert(3, 'T-2');
  assert.equal((await ask('duplicates?field=Version__c')).total, 1);
});

test('a config that is not good changes nothing', async () => {
  await assert.rejects(remote.configure({ delay_ms: 5, nonsense: 1 }), /no key "nonsense"/);
  await assert.rejects(remote.configure({ delay_ms: 5, faults: [{ kind: 'nonsense', count: 1 }] }), /no fault is called/);
  await assert.rejects(remote.configure({ delay_ms: 5, objects: { X: { fields: { A: { type: 'nonsense' } } } } }), /no type is called/);
  assert.equal((await ask('config')).delay_ms, 0);
  assert.equal(await upsert(1), 200);
});
