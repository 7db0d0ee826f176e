// The stand-in of PagerDuty's events as its own client, @pagerduty/pdjs, sees it.
import assert from 'node:assert/strict';
import https from 'node:https';
import net from 'node:net';
import test from 'node:test';

import pagerduty from '@pagerduty/pdjs';

import { steer } from '../lib/steer.js';

const remote = await steer('pagerduty');
const routing_key = 'a'.repeat(32);
const payload = {
  summary: 'Churn risk high: Acme',
  source: 'cxsig',
  severity: 'critical',
  timestamp: '2026-11-24T03:00:00Z',
};

// The client knows https only, and the stand-in speaks plain HTTP.
class Plain extends https.Agent {
  createConnection({ port }) {
    return net.connect(port, '127.0.0.1');
  }
}

const agent = new Plain({ keepAlive: false });

async function send(data, send = pagerduty.event) {
  const { status, data: told } = await send({
    server: remote.url.replace(/^http:\/\//, ''),
    agent,
    requestTimeout: 0,
    retryTimeout: 1,
    data: { routing_key, ...data },
  });
  return { http: status, ...told };
}

async function incidents() {
  return (await remote.records('incident')).map(({ fields }) => [
    fields.dedup_key,
    fields.state,
    fields.triggers,
  ]);
}

test.before(() => remote.reset({ routing_keys: [routing_key] }));

test('repeats fold into one incident until it is resolved', async () => {
  const dedup_key = 'cxsig/alerts/A-1';
  assert.deepEqual(await send({ dedup_key, payload }, pagerduty.trigger), {
    http: 202,
    status: 'success',
    message: 'Event processed',
    dedup_key,
  });
  await send({ dedup_key, payload }, pagerduty.trigger);
  assert.deepEqual(await incidents(), [[dedup_key, 'triggered', 2]]);
  await send({ dedup_key }, pagerduty.acknowledge);
  assert.deepEqual(await incidents(), [[dedup_key, 'acknowledged', 2]]);
  assert.deepEqual(Object.keys((await remote.control('open')).open), [dedup_key]);
  await send({ dedup_key }, pagerduty.resolve);
  assert.deepEqual(await remote.control('open'), { open: {} });
  assert.equal((await send({ dedup_key }, pagerduty.resolve)).http, 202);
  await send({ dedup_key, payload }, pagerduty.trigger);
  assert.deepEqual(await incidents(), [
    [dedup_key, 'resolved', 2],
    [dedup_key, 'triggered', 1],
  ]);
  const { dedup_key: made } = await send({ payload }, pagerduty.trigger);
  assert.match(made, /^[0-9a-f]{32}$/);
});

test('what is wrong is refused with all its errors', async () => {
  const wrong = [
    [{ event_action: 'trigger' }, ["'payload' is missing or blank"]],
    [
      { event_action: 'close', payload },
      [
        "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
        "'dedup_key' is missing or blank",
      ],
    ],
    [{ event_action: 'resolve' }, ["'dedup_key' is missing or blank"]],
    [
      { event_action: 'trigger', routing_key: 'b', payload },
      ["Length of 'routing_key' is incorrect (should be 32 characters)"],
    ],
    [{ event_action: 'trigger', routing_key: 'b'.repeat(32), payload }, ['Invalid routing key']],
    [
      { event_action: 'trigger', payload: { ...payload, severity: 'high' } },
      [
        "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
      ],
    ],
    [
      { event_action: 'trigger', payload: { ...payload, summary: 'x'.repeat(1025), dedup_key: 'x' } },
      ["'payload.summary' is too long (the maximum is 1024 characters)", "'payload.dedup_key' is not known"],
    ],
    [
      { event_action: 'trigger', dedup_key: 'x'.repeat(256), payload },
      ["'dedup_key' is too long (the maximum is 255 characters)"],
    ],
    [
      { event_action: 'trigger', payload: { ...payload, timestamp: 'now' } },
      ["'payload.timestamp' is not a valid ISO 8601 timestamp"],
    ],
    [{ event_action: 'trigger', payload, links: [{ text: 'x' }] }, ["'links' is invalid"]],
  ];
  for (const [event, errors] of wrong) {
    assert.deepEqual(await send(event), {
      http: 400,
      status: 'invalid event',
      message: 'Event object is invalid',
      errors,
    });
  }
});

test('over the rate is 429', async () => {
  await remote.configure({ key_limits: { window_ms: 60_000, window_max: 1 } });
  await send({ payload }, pagerduty.trigger);
  assert.deepEqual(
    [(await send({ payload }, pagerduty.trigger)).http, (await send({ payload }, pagerduty.trigger)).status],
    [429, 'throttle exceeded'],
  );
});
