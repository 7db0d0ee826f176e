// What Slack and Teams would refuse, or show garbled, is refused.
import assert from 'node:assert/strict';
import test from 'node:test';

import { refuseEnvelope } from '../api/teams/card.js';
import { refuseMessage } from '../api/slack/message.js';

const plain = (text) => ({ type: 'plain_text', text });
const mrkdwn = (text) => ({ type: 'mrkdwn', text });
const section = (text) => ({ type: 'section', text: mrkdwn(text) });

test('Slack: what is in order is taken', () => {
  assert.equal(refuseMessage({ text: 'Account *Acme*: <https://example.com/e?a=1&amp;b=2|evidence>' }), null);
  assert.equal(
    refuseMessage({
      text: 'x',
      blocks: [
        { type: 'header', text: plain('x'.repeat(150)) },
        section('x'.repeat(3000)),
        { type: 'section', fields: [mrkdwn('*a*'), plain('b')] },
        { type: 'divider' },
        { type: 'context', elements: [mrkdwn('&lt;c&gt;')] },
        {
          type: 'actions',
          elements: [
            {
              type: 'button',
              text: plain('Wrong'),
              url: 'https://example.com',
              action_id: 'wrong',
            },
          ],
        },
      ],
    }),
    null,
  );
});

test('Slack: what is not is refused in its words', () => {
  const wrong = [
    [undefined, 'invalid_payload'],
    [[], 'invalid_payload'],
    [{}, 'no_text'],
    [{ text: '' }, 'no_text'],
    [{ text: 1 }, 'invalid_payload'],
    [{ text: 'a < b' }, 'invalid_payload'],
    [{ text: 'a & b' }, 'invalid_payload'],
    [{ text: '<https://example.com/a|b|evidence>' }, 'invalid_payload'],
    [{ text: 'x'.repeat(40_001) }, 'msg_too_long'],
  ];
  for (const [message, word] of wrong)
    assert.equal(refuseMessage(message), word, JSON.stringify(message)?.slice(0, 60));
  const blocks = [
    { type: 'header', text: plain('x'.repeat(151)) },
    { type: 'header', text: mrkdwn('x') },
    section('x'.repeat(3001)),
    section(''),
    section('a <b> c'),
    { type: 'section' },
    { type: 'section', fields: Array(11).fill(mrkdwn('x')) },
    { type: 'section', fields: [mrkdwn('x'.repeat(2001))] },
    { type: 'section', text: 'x' },
    { type: 'table' },
    { ...section('x'), color: 'red' },
    { type: 'context', elements: [] },
    { type: 'context', elements: Array(11).fill(plain('x')) },
    { type: 'actions', elements: [{ type: 'button', text: plain('x'.repeat(76)) }] },
    { type: 'actions', elements: [{ type: 'button', text: plain('x'), url: 'javascript:alert(1)' }] },
  ];
  for (const block of blocks)
    assert.equal(
      refuseMessage({ text: 'x', blocks: [block] }),
      'invalid_blocks',
      JSON.stringify(block).slice(0, 60),
    );
  assert.equal(refuseMessage({ text: 'x', blocks: Array(51).fill({ type: 'divider' }) }), 'invalid_blocks');
  assert.equal(
    refuseMessage({
      text: 'x',
      blocks: [
        { ...section('x'), block_id: 'a' },
        { ...section('y'), block_id: 'a' },
      ],
    }),
    'invalid_blocks',
  );
  assert.equal(refuseMessage({ text: 'a < b' }, false), null);
});

const CARD = {
  type: 'AdaptiveCard',
  version: '1.4',
  $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
  body: [
    { type: 'TextBlock', text: 'Churn risk high', size: 'Large', weight: 'bolder', wrap: true },
    { type: 'FactSet', facts: [{ title: 'Account', value: 'Acme' }] },
    {
      type: 'ColumnSet',
      columns: [{ type: 'Column', width: 'auto', items: [{ type: 'TextBlock', text: 'x' }] }],
    },
  ],
  actions: [{ type: 'Action.OpenUrl', title: 'Evidence', url: 'https://example.com' }],
};
const envelope = (card) => ({
  type: 'message',
  attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
});

test('Teams: what is in order is taken', () => {
  assert.equal(refuseEnvelope(envelope(CARD)), null);
});

test('Teams: what is not is refused with its place', () => {
  const cards = [
    [{ ...CARD, version: '1.6' }, /card\.version/],
    [{ ...CARD, version: 1.4 }, /card\.version/],
    [{ ...CARD, type: 'Card' }, /card\.type/],
    [{ ...CARD, body: [] }, /card\.body/],
    [{ ...CARD, title: 'x' }, /card\.title is not known/],
    [{ type: 'AdaptiveCard', version: '1.4' }, /no body/],
    [{ ...CARD, body: [{ type: 'TextBlock', text: '' }] }, /body\[0\]\.text/],
    [{ ...CARD, body: [{ type: 'TextBlock' }] }, /no text/],
    [{ ...CARD, body: [{ type: 'TextBlock', text: 'x', size: 'Huge' }] }, /size is "Huge"/],
    [{ ...CARD, body: [{ type: 'Text', text: 'x' }] }, /"Text"/],
    [{ ...CARD, body: [{ type: 'FactSet', facts: [{ title: 'a', value: 1 }] }] }, /facts\[0\]/],
    [{ ...CARD, body: [{ type: 'FactSet', facts: [] }] }, /empty/],
    [{ ...CARD, body: [{ type: 'FactSet', facts: [{ name: 'a', value: 'b' }] }] }, /facts\[0\]/],
    [{ ...CARD, actions: [{ type: 'Action.OpenUrl', title: 'x', url: 'example' }] }, /url/],
    [{ ...CARD, actions: [{ type: 'Action.Http', title: 'x' }] }, /Action\.Http/],
    [{ ...CARD, body: [{ type: 'Action.OpenUrl', title: 'x', url: 'https://e.com' }] }, /type is/],
  ];
  for (const [card, message] of cards) assert.match(refuseEnvelope(envelope(card)) ?? '', message);
  assert.match(refuseEnvelope({ text: 'x' }), /type/);
  assert.match(refuseEnvelope({ type: 'message', attachments: [] }), /empty/);
  assert.match(refuseEnvelope({ type: 'message', text: 'x', attachments: [] }), /text is not known/);
  assert.match(
    refuseEnvelope({
      type: 'message',
      attachments: [{ contentType: 'application/json', content: CARD }],
    }),
    /contentType/,
  );
});
