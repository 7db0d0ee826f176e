// Paths with keys and $filter mean what OData says, and what is neither is refused.
import assert from 'node:assert/strict';
import test from 'node:test';

import { BadQuery, parseEntityPath, parseFilter } from '../api/dynamics/odata.js';

test('a path has a set, and an id or keys', () => {
  const guid = '0ad6ee93-9b0b-4aa9-b2a8-ba61376f810f';
  assert.deepEqual(parseEntityPath('accounts'), { set: 'accounts' });
  assert.deepEqual(parseEntityPath(`accounts(${guid})`), { set: 'accounts', id: guid });
  const { keys } = parseEntityPath("accounts(a='it''s, (b)',n=-2)");
  assert.deepEqual(
    [...keys],
    [
      ['a', "it's, (b)"],
      ['n', -2],
    ],
  );
  for (const wrong of [
    '',
    'a()',
    "a('x')",
    "a(k='x)",
    "a(k='x'y')",
    "a(k='x',)",
    "a(k='x',k='y')",
    'a(k=x)',
    "a(k='x')/b",
  ]) {
    assert.throws(() => parseEntityPath(wrong), BadQuery, wrong);
  }
});

test('a filter tests rows', () => {
  const row = { k: 'T-1', n: 3, empty: null, at: '2026-11-24T10:00:00Z' };
  const passes = (text) => parseFilter(text, (column) => assert.ok(column in row))(row);
  for (const text of [
    "k eq 't-1'",
    "k eq 'x' or k eq 'T-1'",
    "(k eq 'x' or n gt 2) and not (n le 2)",
    'empty eq null',
    "k ne 'x'",
    'at gt 2026-11-24T10:00:00+01:00',
    "Microsoft.Dynamics.CRM.In(PropertyName='k',PropertyValues=['a','T-1'])",
    "k eq 'T-1' and n eq 3",
  ]) {
    assert.ok(passes(text), text);
  }
  for (const text of [
    "k eq 'T-2'",
    "k eq 'T-1' and n eq 4",
    'n eq null',
    "n eq '3'",
    "k eq 'x' or k eq 'y' and n eq 3",
  ]) {
    assert.ok(!passes(text), text);
  }
  for (const text of [
    '',
    'k',
    "k = 'x'",
    "k eq 'x",
    "k eq 'x' or",
    "(k eq 'x'",
    "k eq 'x')",
    "k like 'x'",
    'k eq x',
  ]) {
    assert.throws(() => passes(text), BadQuery, text);
  }
});
