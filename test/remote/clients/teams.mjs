// The stand-in of Teams takes what Microsoft's own adaptivecards makes, and refuses what that cannot read.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';

import { steer } from '../lib/steer.js';

// its module is for bundlers, and its file for browsers is one for node as well
const cards = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js');

const remote = await steer('teams');
const FLOW = '/workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01&sig=secret';

async function post(content) {
  const attachments = [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }];
  const response = await fetch(`${remote.url}${FLOW}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'message', attachments }),
  });
  return response.status;
}

// What Microsoft's reader finds wrong.
function complaints(content) {
  const card = new cards.AdaptiveCard();
  const context = new cards.SerializationContext(cards.Versions.v1_5);
  card.parse(content, context);
  const events = Array.from({ length: context.eventCount }, (_, i) => context.getEventAt(i));
  return [...events, ...card.validateProperties().validationEvents].map(({ message }) => message);
}

function textBlock(text, more) {
  return Object.assign(new cards.TextBlock(text), { wrap: true, ...more });
}

test.before(() => remote.reset({ signature: 'secret' }));

test('what the library makes is taken', async () => {
  const card = new cards.AdaptiveCard();
  card.version = new cards.Version(1, 4);
  card.addItem(
    textBlock('Churn risk: high', { size: cards.TextSize.Large, weight: cards.TextWeight.Bolder }),
  );
  const facts = new cards.FactSet();
  facts.facts.push(new cards.Fact('Account', 'Acme'), new cards.Fact('Since', '2026-11-24 03:00 UTC'));
  card.addItem(facts);
  const box = new cards.Container();
  box.addItem(textBlock('quote', { color: cards.TextColor.Attention, spacing: cards.Spacing.Small }));
  card.addItem(box);
  const columns = new cards.ColumnSet();
  const column = new cards.Column('auto');
  column.addItem(textBlock('x'));
  columns.addColumn(column);
  card.addItem(columns);
  card.addAction(
    Object.assign(new cards.OpenUrlAction(), { title: 'Evidence', url: 'https://example.com/e' }),
  );
  const content = card.toJSON();
  assert.deepEqual(complaints(content), []);
  assert.equal(await post(content), 202);
  assert.deepEqual((await remote.records('message'))[0].fields.message.attachments[0].content, content);
});

test('what the library complains of is refused', async () => {
  const good = { type: 'AdaptiveCard', version: '1.4', body: [{ type: 'TextBlock', text: 'x' }] };
  assert.deepEqual([complaints(good), await post(good)], [[], 202]);
  const wrong = [
    { ...good, version: '1.7' },
    { ...good, body: [{ type: 'TextBlock', text: 'x', size: 'Huge' }] },
    { ...good, body: [{ type: 'TextBlock', text: 'x', color: 'red' }] },
    { ...good, body: [{ type: 'Text', text: 'x' }] },
    { ...good, actions: [{ type: 'Action.OpenUrl', title: 'x' }] },
    { ...good, actions: [{ type: 'Action.Http', title: 'x', url: 'https://example.com' }] },
  ];
  for (const card of wrong) {
    assert.notDeepEqual(complaints(card), [], JSON.stringify(card));
    assert.equal(await post(card), 400, JSON.stringify(card));
  }
});
