// Refresh tokens that rotate: the old pair is void at once, and its use again is refused and counted.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const remote = await steer('hubspot');

async function refresh(token) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'cxsig', client_secret: 'hush', refresh_token: token });
  const response = await fetch(`${remote.url}/oauth/v3/token`, { method: 'POST', body });
  return { ...(await response.json()), status: response.status };
}

async function statusWith(token) {
  const response = await fetch(`${remote.url}/crm/v3/objects/tickets/1`, { headers: { authorization: `Bearer ${token}` } });
  await response.text();
  return response.status;
}

test.beforeEach(() => remote.reset({ auth: { clients: { cxsig: 'hush' }, refresh_tokens: ['first'], rotate: true } }));

test('a refresh voids the pair before', async () => {
  const one = await refresh('first');
  assert.equal(await statusWith(one.access_token), 404);
  const two = await refresh(one.refresh_token);
  assert.equal(two.status, 200);
  assert.notEqual(two.refresh_token, one.refresh_token);
  assert.equal(await statusWith(one.access_token), 401);
  assert.equal(await statusWith(two.access_token), 404);
  const again = await refresh('first');
  assert.deepEqual([again.status, again.error], [400, 'invalid_grant']);
  assert.deepEqual((await remote.counters()).tokens, { issued: 2, refused: 1, reused: 1 });
});

test('what is revoked stays so', async () => {
  const one = await refresh('first');
  await remote.control('revoke');
  assert.equal(await statusWith(one.access_token), 401);
  await remote.configure({ delay_ms: 0 });
  assert.equal((await refresh('first')).error, 'invalid_grant');
  assert.equal((await refresh(one.refresh_token)).error, 'invalid_grant');
});

test('a token ends when it said it would', async () => {
  await remote.configure({ auth: { expires_in: 0.05 } });
  const { access_token: token } = await refresh('first');
  let status = await statusWith(token);
  while (status === 404) status = await statusWith(token);
  assert.equal(status, 401);
});
