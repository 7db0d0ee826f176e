// Slack, Teams and PagerDuty over the wire: what is kept, and how refusals and faults are worded.
import assert from 'node:assert/strict';
import test from 'node:test';

import { steer } from '../lib/steer.js';

const FLOW = '/workflows/abc/triggers/manual/paths/invoke';
const QUERY = '?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=secret';

function asker(remote) {
  return async (path, body, type = 'application/json') => {
    const response = await fetch(`${remote.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
}

function card(text) {
  const content = { type: 'AdaptiveCard', version: '1.4', body: [{ type: 'TextBlock', text, wrap: true }] };
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content }],
  };
}

test('Teams: a card is taken with 202 and nothing, and kept', async () => {
  const remote = await steer('teams');
  const ask = asker(remote);
  await remote.reset({ signature: 'secret' });
  const taken = await ask(`${FLOW}${QUERY}`, card('Churn risk high'));
  assert.deepEqual([taken.status, taken.text], [202, '']);
  const [{ fields }] = await remote.records('message');
  assert.deepEqual([fields.posted, fields.message], [true, card('Churn risk high')]);

  assert.equal((await ask(`${FLOW}${QUERY.replace('secret', 'x')}`, card('x'))).status, 401);
  assert.equal((await ask(`${FLOW}?sig=secret`, card('x'))).status, 400);
  assert.equal((await ask(`/elsewhere${QUERY}`, card('x'))).status, 404);
  const refused = [card(''), { text: 'x' }, card('x'.repeat(28 * 1024)), '{'];
  for (const one of refused) assert.equal((await ask(`${FLOW}${QUERY}`, one)).status, 400);
  assert.equal((await ask(`${FLOW}${QUERY}`, card('x'), 'text/plain')).status, 400);
  assert.equal((await remote.records('message')).length, 1);

  await remote.configure({ posted: 'blind' });
  assert.equal((await ask(`${FLOW}${QUERY}`, card(''))).status, 202);
  assert.match((await remote.records('message'))[1].fields.why, /text/);

  await remote.configure({ limits: { window_max: 1, window_ms: 60_000 } });
  await ask(`${FLOW}${QUERY}`, card('x'));
  const over = await ask(`${FLOW}${QUERY}`, card('x'));
  assert.deepEqual([over.status, Number(over.headers.get('retry-after')) > 0], [429, true]);
});

test('Slack: a form is taken as well, and members without a meaning are told', async () => {
  const remote = await steer('slack');
  const ask = asker(remote);
  await remote.reset({});
  const form = `payload=${encodeURIComponent('{"text":"x","colour":"red"}')}`;
  const taken = await ask('/services/T0/B0/x', form, 'application/x-www-form-urlencoded');
  assert.deepEqual([taken.status, taken.text], [200, 'ok']);
  assert.deepEqual((await remote.records('message'))[0].fields.ignored, ['colour']);
  assert.deepEqual(
    (await ask('/services/T0/B0/x', '{"text":"x"', 'application/json')).text,
    'invalid_payload',
  );
  assert.deepEqual((await ask('/services/T0/B0/x', '{"text":"x"}', 'text/plain')).text, 'invalid_payload');
  await remote.configure({
    faults: ['429', '410', '500'].map((kind) => ({ kind, count: 1, retry_after: 2 })),
  });
  const seen = [];
  for (let i = 0; i < 3; i += 1) seen.push(await ask('/services/T0/B0/x', { text: 'x' }));
  assert.deepEqual(
    seen.map(({ status, text }) => [status, text]),
    [
      [429, 'rate_limited'],
      [410, 'channel_is_archived'],
      [500, 'rollup_error'],
    ],
  );
  assert.equal(seen[0].headers.get('retry-after'), '2');
});

test('PagerDuty: folding over the wire is kept through a change of the config', async () => {
  const remote = await steer('pagerduty');
  const ask = asker(remote);
  await remote.reset({});
  const payload = { summary: 'x', source: 'cxsig', severity: 'info' };
  const event = { routing_key: 'a'.repeat(32), event_action: 'trigger', dedup_key: 'k', payload };
  assert.equal((await ask('/v2/enqueue', event)).status, 202);
  await remote.configure({ faults: [{ kind: '500', count: 1, apply: true }] });
  assert.equal((await ask('/v2/enqueue', event)).status, 500);
  const [{ fields }] = await remote.records('incident');
  assert.deepEqual([fields.triggers, fields.state], [2, 'triggered']);
  assert.equal((await ask('/v2/enqueue', { ...event, payload: { ...payload, summary: '' } })).status, 400);
  assert.equal((await ask('/v2/enqueue', event, 'text/plain')).status, 400);
  assert.equal((await ask('/v2/change/enqueue', event)).status, 404);
  const large = { ...event, payload: { ...payload, custom_details: { text: 'x'.repeat(513 * 1024) } } };
  assert.equal((await ask('/v2/enqueue', large)).status, 413);
});
