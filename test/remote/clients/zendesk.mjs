// The stand-in of Zendesk as node-zendesk sees it.
import assert from 'node:assert/strict';
import test from 'node:test';

import zendesk from 'node-zendesk';

import { steer } from '../lib/steer.js';

const remote = await steer('zendesk');

async function token(parameters) {
  const response = await fetch(`${remote.url}/oauth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'cxsig', client_secret: 'hush', ...parameters }),
  });
  return { status: response.status, ...(await response.json()) };
}

function connect(bearer) {
  return zendesk.createClient({ endpointUri: `${remote.url}/api/v2`, token: bearer, oauth: true });
}

async function fails(promise, status) {
  await assert.rejects(promise, (error) => {
    assert.match(error.message, new RegExp(`Zendesk Error \\(${status}\\)`));
    return true;
  });
}

function fieldsOf(ticket) {
  return Object.fromEntries(ticket.custom_fields.map(({ id, value }) => [id, value]));
}

let client;
let bearer;

test.before(async () => {
  await remote.reset({
    auth: {
      clients: { cxsig: 'hush' },
      flows: ['client_credentials', 'refresh_token'],
      refresh_tokens: ['first'],
      rotate: true,
    },
    ticket_fields: [
      { id: 11, title: 'Sentiment', type: 'tagger', options: ['sentiment_bad', 'sentiment_good'] },
      { id: 12, title: 'Version', type: 'integer' },
      { id: 13, title: 'Evidence', type: 'text' },
      { id: 14, title: 'Escalate', type: 'checkbox', tag: 'escalate' },
      { id: 15, title: 'Seen on', type: 'date' },
    ],
    tickets: [{ id: 1, tags: ['vip', 'billing'] }, { id: 2, status: 'closed' }, { id: 3 }, { id: 4 }],
    user_fields: [{ key: 'churn_risk', type: 'dropdown', options: ['risk_high', 'risk_low'] }],
    organization_fields: [{ key: 'open_risks', type: 'integer' }],
    jobs: { queue_ms: 20, work_ms: 60 },
  });
  bearer = (await token({ grant_type: 'refresh_token', refresh_token: 'first' })).access_token;
  client = connect(bearer);
});

test('a refresh makes the pair before it void, and is good once', async () => {
  await remote.configure({ auth: { refresh_tokens: ['other'] } });
  const first = await token({ grant_type: 'refresh_token', refresh_token: 'other' });
  assert.equal(first.token_type, 'bearer');
  assert.notEqual(first.refresh_token, 'other');
  assert.equal((await connect(first.access_token).users.me()).result.role, 'admin');
  const second = await token({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  await fails(connect(first.access_token).users.me(), 401);
  assert.equal((await connect(second.access_token).users.me()).response.status, 200);
  const reused = await token({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  assert.deepEqual([reused.status, reused.error], [400, 'invalid_grant']);
  assert.equal((await token({ grant_type: 'client_credentials', client_secret: 'x' })).status, 401);
});

test('a ticket keeps the fields that are not named; a drop-down is a tag as well', async () => {
  await client.tickets.update(1, {
    ticket: {
      custom_fields: [
        { id: 11, value: 'sentiment_bad' },
        { id: 12, value: 3 },
      ],
    },
  });
  const { result } = await client.tickets.update(1, {
    ticket: {
      custom_fields: [
        { id: 11, value: 'sentiment_good' },
        { id: 14, value: true },
      ],
    },
  });
  assert.deepEqual(fieldsOf(result), { 11: 'sentiment_good', 12: '3', 13: null, 14: true, 15: null });
  assert.deepEqual(result.tags, ['billing', 'escalate', 'sentiment_good', 'vip']);
});

test('tags replace the whole set, and a drop-down with them', async () => {
  const { result } = await client.tickets.update(1, { ticket: { tags: ['vip'] } });
  assert.deepEqual(result.tags, ['vip']);
  assert.equal(fieldsOf(result)[11], null);
  assert.equal(fieldsOf(result)[14], false);
});

test('what a field cannot hold is refused, and changes nothing', async () => {
  const before = (await client.tickets.show(3)).result;
  for (const field of [
    { id: 11, value: 'nonsense' },
    { id: 12, value: 'three' },
    { id: 13, value: 4 },
    { id: 14, value: 'yes' },
    { id: 15, value: '2026-02-30' },
    { id: 99, value: 'x' },
  ]) {
    await fails(
      client.tickets.update(3, {
        ticket: {
          custom_fields: [{ id: field.id === 12 ? 13 : 12, value: field.id === 12 ? 'half' : 1 }, field],
        },
      }),
      422,
    );
  }
  await fails(client.tickets.update(3, { ticket: { nonsense: 1 } }), 400);
  await fails(client.tickets.update(3, { ticket: { additional_tags: ['x'] } }), 400);
  assert.deepEqual((await client.tickets.show(3)).result, before);
  await fails(client.tickets.update(2, { ticket: { custom_fields: [{ id: 13, value: 'late' }] } }), 422);
  await fails(client.tickets.show(77), 404);
});

test('a safe update is refused when an agent was there first', async () => {
  const { result: seen } = await client.tickets.show(4);
  await remote.control('agent', { id: 4, add_tags: ['called_back'] });
  const ticket = { tags: [...seen.tags, 'cx'], safe_update: true, updated_stamp: seen.updated_at };
  await fails(client.tickets.update(4, { ticket }), 409);
  const { result: now } = await client.tickets.show(4);
  assert.deepEqual(now.tags, ['called_back']);
  await client.tickets.update(4, {
    ticket: { tags: [...now.tags, 'cx'], safe_update: true, updated_stamp: now.updated_at },
  });
  assert.deepEqual((await client.tickets.show(4)).result.tags, ['called_back', 'cx']);
});

test('many tickets are a job with a result for each', async () => {
  const { result } = await client.tickets.updateMany([1, 2, 88], {
    ticket: { additional_tags: ['cx'], custom_fields: [{ id: 13, value: 'e' }] },
  });
  assert.equal(result.job_status.status, 'queued');
  const job = await client.jobstatuses.watch(result.job_status.id, 10);
  assert.deepEqual([job.status, job.total, job.progress], ['completed', 3, 3]);
  assert.deepEqual(
    job.results.map(({ id, success, status, error }) => [id, success, status, error]),
    [
      [1, true, 'Updated', undefined],
      [2, false, 'Failed', 'RecordInvalid'],
      [88, false, 'Failed', 'RecordNotFound'],
    ],
  );
  const { result: tickets } = await client.tickets.showMany([1, 88, 2]);
  assert.deepEqual(
    tickets.map(({ id, tags }) => [id, tags]),
    [
      [1, ['cx', 'vip']],
      [2, []],
    ],
  );
});

test('a job does not overwrite what changed while it waited', async () => {
  const { result } = await client.tickets.updateMany([3], { ticket: { additional_tags: ['cx'] } });
  await remote.control('agent', { id: 3, status: 'pending' });
  const job = await client.jobstatuses.watch(result.job_status.id, 10);
  assert.equal(job.results[0].error, 'UpdateConflict');
});

test('users and organizations are made where there are none', async () => {
  const user = { name: 'Acme', external_id: 'A-1', user_fields: { churn_risk: 'risk_high' } };
  const made = await client.users.createOrUpdate({ user });
  assert.equal(made.response.status, 201);
  const again = await client.users.createOrUpdate({
    user: { external_id: 'A-1', user_fields: { churn_risk: 'risk_low' } },
  });
  assert.deepEqual(
    [again.response.status, again.result.id, again.result.user_fields],
    [200, made.result.id, { churn_risk: 'risk_low' }],
  );
  await fails(client.users.createOrUpdate({ user: { ...user, user_fields: { nonsense: 1 } } }), 422);
  await fails(client.users.createOrUpdate({ user: { external_id: 'A-2' } }), 422);

  const { result } = await client.users.createOrUpdateMany({
    users: [{ ...user, name: 'Acme Ltd' }, { name: 'B', external_id: 'B-1' }, { external_id: 'C-1' }],
  });
  const job = await client.jobstatuses.watch(result.job_status.id, 10);
  assert.deepEqual(
    job.results.map(({ status, external_id: id }) => [status, id]),
    [
      ['Updated', 'A-1'],
      ['Created', 'B-1'],
      ['Failed', undefined],
    ],
  );

  const organization = { name: 'Acme', external_id: 'O-1', organization_fields: { open_risks: 2 } };
  assert.equal((await client.organizations.createOrUpdate({ organization })).response.status, 201);
  await client.organizations.createOrUpdate({
    organization: { external_id: 'O-1', organization_fields: { open_risks: 3 } },
  });
  const found = await client.organizations.showManyByExternalIds(['O-1']);
  assert.equal(found[0].organization_fields.open_risks, '3');
});

test('over the limit is 429 with the time to wait', async () => {
  await remote.configure({ update_limits: { window_max: 2 } });
  const seen = [];
  for (let i = 0; i < 3; i += 1) {
    seen.push(
      await fetch(`${remote.url}/api/v2/tickets/1`, {
        method: 'PUT',
        body: '{"ticket":{}}',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
      }),
    );
  }
  assert.deepEqual(
    seen.map(({ status }) => status),
    [200, 200, 429],
  );
  assert.match(seen[1].headers.get('zendesk-ratelimit-tickets-update'), /^total=2; remaining=0; resets=\d+$/);
  assert.match(seen[2].headers.get('content-type'), /^text\/plain/);
  assert.ok(Number(seen[2].headers.get('retry-after')) > 0);
  assert.ok(Number(seen[2].headers.get('x-rate-limit-remaining')) > 0, 'the account has some left');
  // the client does not raise here
  assert.equal((await client.tickets.update(1, { ticket: {} })).response.status, 429);
});
