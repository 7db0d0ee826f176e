// zendesk: tickets that are there already, users, organizations, and the jobs that change many. Config
// beside the usual:
//   ticket_fields   [{ id, title, type, options, tag, pattern }]; types as in zendesk/fields.js; options
//                   are tags
//   tickets         [{ id, status, tags, custom_fields: [{ id, value }], ... }] or { from, to, each }
//   user_fields, organization_fields   [{ key, type, options }]
//   users, organizations               those there are at first
//   unknown_fields  "refuse", or "ignore" as Zendesk itself does
//   batch_tags      "refuse" additional_tags and remove_tags but in the form with ids, or "apply"
//   jobs            see zendesk/jobs.js
//   job_index       false leaves the rows' places out of a job's results
//   limits          of all requests of the account: 429 with JSON
//   update_limits   { window_ms, window_max } of updates of single tickets: 429 as plain text
//   ticket_limits   the same of updates of one ticket
// Control calls: agent, as somebody at work on a ticket; jobs, those that are kept.
import { isObject } from '../lib/call.js';
import { Limits } from '../lib/limits.js';
import { json, limitHeaders, rowError, text, unauthorised, worded } from './zendesk/answers.js';
import { Jobs } from './zendesk/jobs.js';
import { badRequest, notFound, Refused } from './zendesk/fields.js';
import { People } from './zendesk/people.js';
import { findRoute } from './zendesk/routes.js';
import { stamp, Tickets } from './zendesk/tickets.js';

const MAX_IDS = 100;
class Zendesk {
  constructor(config, store) {
    this.config = config;
    this.store = store;
    this.tickets = new Tickets(config, store);
    this.people = {
      user: new People('user', config, store),
      organization: new People('organization', config, store),
    };
    store.jobs ??= new Jobs();
    this.jobs = store.jobs;
    this.jobs.configure(config.jobs);
    this.updateLimits = new Limits({ window_ms: 60_000, ...config.update_limits });
    this.ticketLimits = new Map();
  }

  serve(call, world) {
    this.world = world;
    this.counters = world.counters;
    this.jobs.advance();
    try {
      return this.#routed(call, findRoute(call));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.counters.refuse(error.reason);
      return json(error.status, error.body);
    }
  }

  #routed(call, route) {
    if (!route) return json(404, { error: 'InvalidEndpoint', description: 'Not found' });
    if (call.method !== 'GET' && call.mediaType !== 'application/json') {
      throw new Refused(
        415,
        { error: 'UnsupportedMediaType', description: 'Content-Type must be application/json' },
        'content type',
      );
    }
    if (call.method !== 'GET' && !isObject(call.json)) {
      throw new Refused(
        422,
        { error: 'Unprocessable Entity', message: 'Server could not parse JSON' },
        'malformed',
      );
    }
    return this[route.name](call, route.id);
  }

  // null, or why this update is one too many.
  #overUpdates(id) {
    if (this.updateLimits.take())
      return ['Too Many Requests: the limit of ticket updates is exceeded', this.updateLimits];
    if (!this.config.ticket_limits) return null;
    if (!this.ticketLimits.has(id))
      this.ticketLimits.set(id, new Limits({ window_ms: 600_000, ...this.config.ticket_limits }));
    const limits = this.ticketLimits.get(id);
    return limits.take()
      ? ['Rate limit for ticket updates exceeded, please wait before updating this ticket again', limits]
      : null;
  }

  showTicket(call, id) {
    return json(200, { ticket: this.tickets.show(this.tickets.find(id), call.base) });
  }

  #ids(call, name) {
    const ids = (call.query.get(name) ?? '')
      .split(',')
      .map((id) => id.trim())
      .filter((id) => id !== '');
    if (ids.length === 0) throw badRequest(`parameter ${name} is missing`, 'malformed');
    if (ids.length > MAX_IDS) throw badRequest(`${name} may have ${MAX_IDS} at most`, 'too many records');
    return ids;
  }

  showTickets(call) {
    const found = this.#ids(call, 'ids')
      .map((id) => this.tickets.table.get(id))
      .filter(Boolean);
    return json(200, {
      tickets: found.map((record) => this.tickets.show(record, call.base)),
      next_page: null,
      previous_page: null,
      count: found.length,
    });
  }

  updateTicket(call, id) {
    const record = this.tickets.find(id);
    const over = this.#overUpdates(id);
    if (over) {
      this.counters.refuse('endpoint rate');
      return text(429, over[0], { 'Retry-After': String(over[1].windowSeconds) });
    }
    const change = call.json.ticket;
    this.tickets.check(change, 'single');
    this.#drawRow(call, id);
    this.tickets.checkStamp(record, change);
    const events = this.tickets.apply(record, change);
    const audit = { id: record.seq, ticket_id: Number(id), created_at: stamp(record.updated), events };
    return json(200, { ticket: this.tickets.show(record, call.base), audit });
  }

  showTags(call, id) {
    return json(200, { tags: this.tickets.find(id).fields.tags });
  }

  #changeTags(call, id, member, status) {
    const { tags, safe_update: safe, updated_stamp: at, ...more } = call.json;
    if (!Array.isArray(tags) || Object.keys(more).length > 0)
      throw badRequest('tags must be an array of strings', 'malformed');
    const record = this.tickets.find(id);
    this.tickets.checkStamp(record, { safe_update: safe === true || safe === 'true', updated_stamp: at });
    this.tickets.apply(record, { [member]: tags });
    return json(status, { tags: record.fields.tags });
  }

  addTags(call, id) {
    return this.#changeTags(call, id, 'additional_tags', 200);
  }

  setTags(call, id) {
    return this.#changeTags(call, id, 'tags', 201);
  }

  removeTags(call, id) {
    return this.#changeTags(call, id, 'remove_tags', 200);
  }

  // A fault that one record meets.
  #drawRow(call, key) {
    const fault = this.world.faults.drawRow(call, key);
    if (!fault) return;
    const { status = 422, code = 'RecordInvalid', message = 'Record validation errors' } = fault;
    throw new Refused(status, { error: code, description: message }, 'row fault');
  }

  // A job's work on a row, as a function that returns its result.
  #worker(call, action, key, work) {
    return (row, index) => {
      const named = key(row);
      const place = this.config.job_index ? { index } : {};
      try {
        this.#drawRow(call, named);
        return { ...place, action, success: true, ...work(row) };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.counters.refuseRecord(error.reason);
        const id = action === 'update' ? { id: Number(named) } : {};
        return { ...place, ...id, action, success: false, status: 'Failed', ...rowError(error) };
      }
    };
  }

  #started(call, job) {
    return json(200, { job_status: this.jobs.show(job, call.base) });
  }

  updateMany(call) {
    const body = call.json;
    const bulk = call.query.has('ids');
    if (bulk === 'tickets' in body || bulk !== 'ticket' in body) {
      throw badRequest('either ids and ticket, or tickets', 'malformed');
    }
    if (bulk) this.tickets.check(body.ticket, 'bulk');
    else if (!Array.isArray(body.tickets) || !body.tickets.every(isObject))
      throw badRequest('tickets must be an array', 'malformed');
    const rows = bulk ? this.#ids(call, 'ids').map((id) => ({ ...body.ticket, id })) : body.tickets;
    const ids = new Set(rows.map(({ id }) => String(id)));
    if (ids.size < rows.length || ids.has('undefined'))
      throw badRequest('each ticket has an id of its own', 'ticket twice');

    const seq = this.store.journal.length;
    const work = ({ id, ...change }) => {
      const record = this.tickets.find(String(id));
      if (!bulk) this.tickets.check({ id, ...change }, 'batch');
      if (change.updated_stamp !== undefined) this.tickets.checkStamp(record, change);
      else this.tickets.checkUnchanged(record, seq);
      this.tickets.apply(record, change);
      return { id: Number(record.id), status: 'Updated' };
    };
    const job = this.jobs.submit(
      'Bulk Update Ticket',
      rows,
      this.#worker(call, 'update', (row) => row.id, work),
      this.world.random,
    );
    return this.#started(call, job);
  }

  showJob(call, id) {
    const job = this.jobs.get(id);
    if (!job) throw notFound();
    return json(200, { job_status: this.jobs.show(job, call.base) });
  }

  showJobs(call) {
    const jobs = this.#ids(call, 'ids')
      .map((id) => this.jobs.get(id))
      .filter(Boolean);
    return json(200, {
      job_statuses: jobs.map((job) => this.jobs.show(job, call.base)),
      count: jobs.length,
    });
  }

  // Who calls without a token is nobody, and told so.
  me(call) {
    const wrong = this.world.tokens.check(call);
    if (wrong === 'missing')
      return json(200, { user: { id: null, name: 'Anonymous user', role: 'end-user' } });
    if (wrong) {
      this.counters.refuse(`unauthorised: ${wrong}`);
      return unauthorised(wrong);
    }
    return json(200, {
      user: {
        id: 1,
        url: `${call.base}/api/v2/users/1.json`,
        name: 'Integration',
        email: 'integration@example.com',
        role: 'admin',
        active: true,
        verified: true,
      },
    });
  }

  #upsert(call, kind) {
    const change = call.json[kind];
    this.#drawRow(call, change?.external_id);
    const { record, created } = this.people[kind].upsert(change);
    return json(created ? 201 : 200, { [kind]: this.people[kind].show(record, call.base) });
  }

  upsertUser(call) {
    return this.#upsert(call, 'user');
  }

  upsertOrganization(call) {
    return this.#upsert(call, 'organization');
  }

  upsertUsers(call) {
    const rows = call.json.users;
    if (!Array.isArray(rows) || !rows.every(isObject))
      throw badRequest('users must be an array', 'malformed');
    const names = rows.map((row) => row.external_id ?? row.email);
    if (new Set(names).size < rows.length)
      throw badRequest('each user has an external_id of its own', 'user twice');
    const work = (row) => {
      const { record, created } = this.people.user.upsert(row);
      return {
        id: Number(record.id),
        external_id: record.fields.external_id ?? null,
        email: record.fields.email ?? null,
        action: created ? 'create' : 'update',
        status: created ? 'Created' : 'Updated',
      };
    };
    const job = this.jobs.submit(
      'Bulk Create User',
      rows,
      this.#worker(call, 'create', (row) => row.external_id, work),
      this.world.random,
    );
    return this.#started(call, job);
  }

  #showPeople(call, kind) {
    const name = call.query.has('external_ids') ? 'external_ids' : 'ids';
    const found = this.#ids(call, name)
      .map((id) => this.people[kind].find(name, id))
      .filter(Boolean);
    return json(200, {
      [`${kind}s`]: found.map((record) => this.people[kind].show(record, call.base)),
      next_page: null,
      previous_page: null,
      count: found.length,
    });
  }

  showUsers(call) {
    return this.#showPeople(call, 'user');
  }

  showOrganizations(call) {
    return this.#showPeople(call, 'organization');
  }

  #showOne(call, kind, id) {
    const record = this.people[kind].table.get(id);
    if (!record) throw notFound();
    return json(200, { [kind]: this.people[kind].show(record, call.base) });
  }

  showUser(call, id) {
    return this.#showOne(call, 'user', id);
  }

  showOrganization(call, id) {
    return this.#showOne(call, 'organization', id);
  }
}

export default {
  name: 'zendesk',
  defaults: {
    limits: { window_ms: 60_000, window_max: 0 },
    ticket_fields: [],
    tickets: [],
    user_fields: [],
    organization_fields: [],
    users: [],
    organizations: [],
    unknown_fields: 'refuse',
    batch_tags: 'refuse',
    jobs: {},
    job_index: true,
    update_limits: {},
    ticket_limits: null,
  },
  open: ['me'],
  compile: (config, store) => new Zendesk(config, store),
  kind: (call) => findRoute(call)?.kind ?? 'other',

  token(granted) {
    if (!granted.error) return json(200, { token_type: 'bearer', ...granted });
    const status = granted.error === 'invalid_client' ? 401 : 400;
    return json(status, { error: granted.error, error_description: granted.description });
  },

  handle: (call, world) => world.model.serve(call, world),

  refusal(reason, detail, call, world) {
    if (reason === 'unauthorised') return unauthorised(detail);
    if (reason === 'fault') return worded(detail);
    return json(
      429,
      {
        error: 'APIRateLimitExceeded',
        description: 'Number of allowed API requests per minute exceeded',
      },
      { 'Retry-After': String(world.limits.windowSeconds) },
    );
  },

  headers: limitHeaders,
  settle: (world) => world.model.jobs.advance(),

  controls: {
    // An agent's change of a ticket: { id, add_tags, remove_tags, tags, custom_fields, status, ... }.
    agent(world, { id, ...change }) {
      const { tickets } = world.model;
      const record = tickets.find(String(id));
      tickets.agent(record, change);
      return { ticket: tickets.show(record, '') };
    },
    jobs: (world) => ({ jobs: world.model.jobs.report() }),
  },
};
