// The stand-in of Slack's incoming webhooks as @slack/webhook sees it.
import assert from 'node:assert/strict';
import test from 'node:test';

import { IncomingWebhook } from '@slack/webhook';

import { steer } from '../lib/steer.js';

const remote = await steer('slack');

function hook(name) {
  return new IncomingWebhook(`${remote.url}/services/${name}`);
}

async function fails(promise, status, word) {
  await assert.rejects(promise, (error) => {
    assert.deepEqual([error.original.response.status, error.original.response.data], [status, word]);
    return true;
  });
}

test.before(() =>
  remote.reset({
    hooks: { 'T0/B0/aaa': { channel: '#alerts' }, 'T0/B0/bbb': { error: 'channel_is_archived' } },
  }),
);

test('a message is taken with "ok" and kept', async () => {
  const blocks = [
    { type: 'header', text: { type: 'plain_text', text: 'Churn risk: high' } },
    { type: 'divider' },
  ];
  assert.deepEqual(await hook('T0/B0/aaa').send({ text: 'Churn risk: high', blocks }), { text: 'ok' });
  assert.deepEqual(await hook('T0/B0/aaa').send('plain'), { text: 'ok' });
  const messages = await remote.records('message');
  assert.deepEqual(
    messages.map(({ fields }) => [fields.channel, fields.text]),
    [
      ['#alerts', 'Churn risk: high'],
      ['#alerts', 'plain'],
    ],
  );
  assert.deepEqual(messages[0].fields.blocks, blocks);
});

test('what is wrong is refused in a word', async () => {
  await fails(hook('T0/B0/aaa').send({}), 400, 'no_text');
  await fails(
    hook('T0/B0/aaa').send({
      text: 'x',
      blocks: [{ type: 'header', text: { type: 'plain_text', text: 'x'.repeat(151) } }],
    }),
    400,
    'invalid_blocks',
  );
  await fails(hook('T0/B0/ccc').send('x'), 403, 'invalid_token');
  await fails(hook('T0/B0/bbb').send('x'), 410, 'channel_is_archived');
  await fails(new IncomingWebhook(`${remote.url}/elsewhere`).send('x'), 404, 'no_service');
});

test('over the rate is 429', async () => {
  await remote.configure({ hook_limits: { window_ms: 60_000, window_max: 1 } });
  await hook('T0/B0/aaa').send('x');
  await fails(hook('T0/B0/aaa').send('x'), 429, 'rate_limited');
});
