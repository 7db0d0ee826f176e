// jobs: work that is queued, done row by row over some time, and shown for some time after.
// Nothing runs by itself: whoever looks lets the jobs do first what they would have done by then.
import crypto from 'node:crypto';

import { badRequest, Refused } from './fields.js';

const MAX_ROWS = 100;

export class Jobs {
  // { queue_ms, work_ms, keep_ms, max, max_kept, shuffle, end: [{ status, count, rows }] }: end has
  // the next count jobs end early, as "failed" or "killed", after so many rows.
  constructor(now = Date.now) {
    this.now = now;
    this.jobs = new Map(); // from the oldest on
    this.active = new Set();
    this.configure({});
  }

  configure(config) {
    this.config = { queue_ms: 0, work_ms: 0, keep_ms: 3_600_000, max: 30, max_kept: 10_000, ...config };
    this.ends = (this.config.end ?? []).map((end) => ({ rows: 0, count: 1, ...end }));
  }

  get running() {
    return this.active.size;
  }

  // Queues the rows; work(row, index) does one, returns its result and does not throw.
  submit(type, rows, work, random) {
    if (rows.length === 0) throw badRequest('there is nothing to do', 'empty batch');
    if (rows.length > MAX_ROWS) throw badRequest(`the limit is ${MAX_ROWS} records`, 'too many records');
    this.advance();
    if (this.running >= this.config.max) {
      throw new Refused(
        429,
        {
          error: 'TooManyJobs',
          description: 'Too many jobs are queued or running. Try again later.',
        },
        'too many jobs',
      );
    }
    const order = rows.map((_, index) => index);
    if (this.config.shuffle) order.sort(() => random() - 0.5);
    const end = this.ends.find((one) => one.count > 0);
    if (end) end.count -= 1;
    const id = `V3-${crypto.randomBytes(16).toString('hex')}`;
    const job = { id, type, rows, work, order, end, done: 0, results: [], queued: this.now(), polls: 0 };
    this.jobs.set(id, job);
    this.active.add(job);
    this.advance();
    return job;
  }

  // What would have happened by now.
  advance() {
    const now = this.now();
    for (const job of this.active) this.#work(job, now);
    for (const job of this.jobs.values()) {
      const old = now > job.ended + this.config.keep_ms || this.jobs.size > this.config.max_kept;
      if (job.ended === undefined || !old) break;
      this.jobs.delete(job.id);
    }
  }

  #work(job, now) {
    const begun = job.queued + this.config.queue_ms;
    const total = job.rows.length;
    if (now < begun) return;
    job.begun = begun;
    const share = this.config.work_ms === 0 ? 1 : Math.min(1, (now - begun) / this.config.work_ms);
    const last = Math.min(Math.floor(share * total), job.end ? job.end.rows : total);
    for (; job.done < last; job.done += 1) {
      const index = job.order[job.done];
      job.results.push(job.work(job.rows[index], index));
    }
    if (share < 1) return;
    job.ended = begun + this.config.work_ms;
    this.active.delete(job);
  }

  get(id) {
    this.advance();
    const job = this.jobs.get(id);
    if (job) job.polls += 1;
    return job;
  }

  status(job) {
    if (job.ended !== undefined) return job.end?.status ?? 'completed';
    return job.begun === undefined ? 'queued' : 'working';
  }

  // As the API shows it.
  show(job, base) {
    const status = this.status(job);
    const ended = job.ended !== undefined;
    return {
      id: job.id,
      job_type: job.type,
      url: `${base}/api/v2/job_statuses/${job.id}.json`,
      total: job.rows.length,
      progress: status === 'queued' ? null : job.done,
      status,
      message: ended
        ? `${status === 'completed' ? 'Completed' : 'Ended'} at ${new Date(job.ended).toISOString()}`
        : null,
      results: ended && (status === 'completed' || job.results.length > 0) ? job.results : null,
    };
  }

  report() {
    this.advance();
    return [...this.jobs.values()].map((job) => ({
      id: job.id,
      type: job.type,
      status: this.status(job),
      total: job.rows.length,
      done: job.done,
      polls: job.polls,
    }));
  }
}
