// Zendesk's jobs: their states over time, their ends, how many there may be, and how long they are kept.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Jobs } from '../api/zendesk/jobs.js';
import { Refused } from '../api/zendesk/fields.js';

let now;
let jobs;

// Rows of numbers, done in the order that is returned.
function submit(...rows) {
  const done = [];
  const job = jobs.submit(
    'Test',
    rows,
    (row, index) => {
      done.push(row);
      return { index, success: row > 0 };
    },
    () => (now % 7) / 7,
  );
  return { done, look: () => jobs.show(jobs.get(job.id), 'http://x') };
}

function at(ms, config) {
  now = ms;
  if (config) {
    jobs = new Jobs(() => now);
    jobs.configure(config);
  }
}

test('a job is queued, working row by row, and completed', () => {
  at(1000, { queue_ms: 100, work_ms: 400 });
  const { done, look } = submit(1, 2, -3, 4);
  assert.deepEqual([look().status, look().progress, look().results], ['queued', null, null]);
  at(1099);
  assert.equal(look().status, 'queued');
  at(1310);
  assert.deepEqual([look().status, look().progress, look().results, done], ['working', 2, null, [1, 2]]);
  at(1500);
  assert.deepEqual([look().status, look().progress], ['completed', 4]);
  assert.deepEqual(
    look().results.map(({ success }) => success),
    [true, true, false, true],
  );
  assert.deepEqual(done, [1, 2, -3, 4]);
});

test('without time to take, a job is done at once', () => {
  at(0, {});
  assert.equal(submit(1).look().status, 'completed');
});

test('a job can fail or be killed in the middle', () => {
  at(0, { end: [{ status: 'failed' }, { status: 'killed', rows: 2, count: 1 }] });
  const failed = submit(1, 2, 3);
  assert.deepEqual([failed.look().status, failed.look().results, failed.done], ['failed', null, []]);
  const killed = submit(1, 2, 3);
  assert.deepEqual([killed.look().status, killed.look().results.length, killed.done], ['killed', 2, [1, 2]]);
  assert.equal(submit(1).look().status, 'completed');
});

test('no more than so many are queued or at work', () => {
  at(0, { work_ms: 100, max: 2 });
  submit(1);
  submit(1);
  assert.throws(
    () => submit(1),
    (error) => error instanceof Refused && error.status === 429 && error.body.error === 'TooManyJobs',
  );
  at(100);
  submit(1);
});

test('a job is kept for so long', () => {
  at(0, { work_ms: 100, keep_ms: 1000 });
  const { look } = submit(1);
  at(1100);
  assert.equal(look().status, 'completed');
  at(1101);
  assert.throws(look, TypeError);
});

test('the order of the rows is not promised, the results name them', () => {
  at(3, { shuffle: true });
  const { done, look } = submit(1, 2, 3, 4, 5);
  assert.notDeepEqual(done, [1, 2, 3, 4, 5]);
  assert.deepEqual(
    look()
      .results.map(({ index }) => index)
      .sort(),
    [0, 1, 2, 3, 4],
  );
});

test('a job has a row, and a hundred at most', () => {
  at(0, {});
  assert.throws(() => submit(), Refused);
  assert.throws(() => submit(...Array(101).fill(1)), Refused);
});
