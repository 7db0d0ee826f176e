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
//   limits          of all requests of the account: 429 with JSON
//   update_limits   { window_ms, window_max } of updates of single tickets: 429 as plain text
//   ticket_limits   the same of updates of one ticket
// Control calls: agent, as somebody at work on a ticket; jobs, those that are kept.
import { isObject } from '../lib/call.js';
import { Limits } from '../lib/limits.js';
import { Jobs } from './zendesk/jobs.js';
import { badRequest, notFound, Refused } from './zendesk/fields.js';
import { People } from './zendesk/people.js';
import { stamp, Tickets } from './zendesk/tickets.js';

const MAX_IDS = 100;
const INVALID_TOKEN = 'The access token provided is expired, revoked, malformed or invalid for other reasons.';

function json(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers }, body };
}

function text(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body };
}

// What a job says of a row that was refused.
function rowError({ body }) {
  const details = body.details
    ? Object.values(body.details).flat().map((one) => one.description).join(', ')
    : body.description ?? body.error.message;
  return { error: typeof body.error === 'string' ? body.error : 'InvalidAttribute', details };
}

// kind -> [method, path with {id}, method of the class]
const ROUTES = [
  ['token', 'POST', 'oauth/tokens', 'token'],
  ['ticket_update_many', 'PUT', 'api/v2/tickets/update_many', 'updateMany'],
  ['ticket_read_many', 'GET', 'api/v2/tickets/show_many', 'showTickets'],
  ['ticket_read', 'GET', 'api/v2/tickets/{id}', 'showTicket'],
  ['ticket_update', 'PUT', 'api/v2/tickets/{id}', 'updateTicket'],
  ['ticket_tags', 'GET', 'api/v2/tickets/{id}/tags', 'showTags'],
  ['ticket_tags', 'PUT', 'api/v2/tickets/{id}/tags', 'addTags'],
  ['ticket_tags', 'POST', 'api/v2/tickets/{id}/tags', 'setTags'],
  ['ticket_tags', 'DELETE', 'api/v2/tickets/{id}/tags', 'removeTags'],
  ['job_read_many', 'GET', 'api/v2/job_statuses/show_many', 'showJobs'],
  ['job_read', 'GET', 'api/v2/job_statuses/{id}', 'showJob'],
  ['me', 'GET', 'api/v2/users/me', 'me'],
  ['user_upsert', 'POST', 'api/v2/users/create_or_update', 'upsertUser'],
  ['user_upsert_many', 'POST', 'api/v2/users/create_or_update_many', 'upsertUsers'],
  ['user_read', 'GET', 'api/v2/users/show_many', 'showUsers'],
  ['user_read', 'GET', 'api/v2/users/{id}', 'showUser'],
  ['organization_upsert', 'POST', 'api/v2/organizations/create_or_update', 'upsertOrganization'],
  ['organization_read', 'GET', 'api/v2/organizations/show_many', 'showOrganizations'],
  ['organization_read', 'GET', 'api/v2/organizations/{id}', 'showOrganization'],
].map(([kind, method, path, name]) => ({ kind, method, parts: path.split('/'), name }));

function findRoute(call) {
  const parts = [...call.segments];
  if (parts.length > 0) parts.push(parts.pop().replace(/\.json$/, ''));
  for (const route of ROUTES) {
    if (route.method !== call.method || route.parts.length !== parts.length) continue;
    if (route.parts.every((part, i) => part === '{id}' || part === parts[i])) {
      return { ...route, id: parts[route.parts.indexOf('{id}')] };
    }
  }
  return null;
}

class Zendesk {
  constructor(config, store) {
    this.config = config;
    this.store = store;
    this.tickets = new Tickets(config, store);
    this.people = { user: new People('user', config, store), organization: new People('organization', config, store) };
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
      throw new Refused(415, { error: 'UnsupportedMediaType', description: 'Content-Type must be application/json' }, 'content type');
    }
    if (call.method !== 'GET' && !isObject(call.json)) {
      throw new Refused(422, { error: 'Unprocessable Entity', message: 'Server could not parse JSON' }, 'malformed');
    }
    return this[route.name](call, route.id);
  }

  // null, or why this update is one too many.
  #overUpdates(id) {
    if (this.updateLimits.take()) return ['Too Many Requests: the limit of ticket updates is exceeded', this.updateLimits];
    if (!this.config.ticket_limits) return null;
    if (!this.ticketLimits.has(id)) this.ticketLimits.set(id, new Limits({ window_ms: 600_000, ...this.config.ticket_limits }));
    const limits = this.ticketLimits.get(id);
    return limits.take() ? ['Rate limit for ticket updates exceeded, please wait before updating this ticket again', limits] : null;
  }

  showTicket(call, id) {
    return json(200, { ticket: this.tickets.show(this.tickets.find(id), call.base) });
  }

  #ids(call, name) {
    const ids = (call.query.get(name) ?? '').split(',').map((id) => id.trim()).filter((id) => id !== '');
    if (ids.length === 0) throw badRequest(`parameter ${name} is missing`, 'malformed');
    if (ids.length > MAX_IDS) throw badRequest(`${name} may have ${MAX_IDS} at most`, 'too many records');
    return ids;
  }

  showTickets(call) {
    const found = this.#ids(call, 'ids').map((id) => this.tickets.table.get(id)).filter(Boolean);
    return json(200, { tickets: found.map((record) => this.tickets.show(record, call.base)), next_page: null, previous_page: null,
      count: found.length });
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
    const row = this.world.faults.drawRow(call, id);
    if (row) throw new Refused(row.status ?? 422, { error: row.code ?? 'RecordInvalid', description: row.message ?? 'Record validation errors' }, 'row fault');
    this.tickets.checkStamp(record, change);
    const events = this.#applied(record, change);
    const audit = { id: record.seq, ticket_id: Number(id), created_at: stamp(record.updated), events };
    return json(200, { ticket: this.tickets.show(record, call.base), audit });
  }

  #applied(record, change) {
    const events = this.tickets.apply(record, change);
    this.counters.records[events.length > 0 ? 'updated' : 'unchanged'] += 1;
    return events;
  }

  showTags(call, id) {
    return json(200, { tags: this.tickets.find(id).fields.tags });
  }

  #changeTags(call, id, member, status) {
    const { tags, safe_update: safe, updated_stamp: at, ...more } = call.json;
    if (!Array.isArray(tags) || Object.keys(more).length > 0) throw badRequest('tags must be an array of strings', 'malformed');
    const record = this.tickets.find(id);
    this.tickets.checkStamp(record, { safe_update: safe === true || safe === 'true', updated_stamp: at });
    this.#applied(record, { [member]: tags });
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

  // A job's work on a row, as a function that returns its result.
  #worker(call, action, key, work) {
    return (row, index) => {
      const named = key(row);
      try {
        const fault = this.world.faults.drawRow(call, named);
        if (fault) {
          throw new Refused(422, { error: fault.code ?? 'RecordInvalid', description: fault.message ?? 'Record validation errors' }, 'row fault');
        }
        return { index, action, success: true, ...work(row) };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.counters.refuseRecord(error.reason);
        const id = action === 'update' ? { id: Number(named) } : {};
        return { index, ...id, action, success: false, status: 'Failed', ...rowError(error) };
      }
    };
  }

  #started(call, job) {
    return json(200, { job_status: this.jobs.show(job, call.base) });
  }

  updateMany(call) {
    const body = call.json;
    const bulk = call.query.has('ids');
    if (bulk === ('tickets' in body) || bulk !== ('ticket' in body)) {
      throw badRequest('either ids and ticket, or tickets', 'malformed');
    }
    if (bulk) this.tickets.check(body.ticket, 'bulk');
    else if (!Array.isArray(body.tickets) || !body.tickets.every(isObject)) throw badRequest('tickets must be an array', 'malformed');
    const rows = bulk ? this.#ids(call, 'ids').map((id) => ({ ...body.ticket, id })) : body.tickets;
    const ids = new Set(rows.map(({ id }) => String(id)));
    if (ids.size < rows.length || ids.has('undefined')) throw badRequest('each ticket has an id of its own', 'ticket twice');

    const seq = this.store.journal.length;
    const work = ({ id, ...change }) => {
      const record = this.tickets.find(String(id));
      if (!bulk) this.tickets.check({ id, ...change }, 'batch');
      if (change.updated_stamp !== undefined) this.tickets.checkStamp(record, change);
      else this.tickets.checkUnchanged(record, seq);
      this.#applied(record, change);
      return { id: Number(record.id), status: 'Updated' };
    };
    const job = this.jobs.submit('Bulk Update Ticket', rows, this.#worker(call, 'update', (row) => row.id, work), this.world.random);
    return this.#started(call, job);
  }

  showJob(call, id) {
    const job = this.jobs.get(id);
    if (!job) throw notFound();
    return json(200, { job_status: this.jobs.show(job, call.base) });
  }

  showJobs(call) {
    const jobs = this.#ids(call, 'ids').map((id) => this.jobs.get(id)).filter(Boolean);
    return json(200, { job_statuses: jobs.map((job) => this.jobs.show(job, call.base)), count: jobs.length });
  }

  me(call) {
    return json(200, { user: { id: 1, url: `${call.base}/api/v2/users/1.json`, name: 'Integration', email: 'integration@example.com',
      role: 'admin', active: true, verified: true } });
  }

  #upsert(call, kind) {
    const change = call.json[kind];
    const row = this.world.faults.drawRow(call, change?.external_id);
    if (row) throw new Refused(row.status ?? 422, { error: row.code ?? 'RecordInvalid', description: row.message ?? 'Record validation errors' }, 'row fault');
    const { record, outcome } = this.people[kind].upsert(change);
    this.counters.records[outcome] += 1;
    return json(outcome === 'created' ? 201 : 200, { [kind]: this.people[kind].show(record, call.base) });
  }

  upsertUser(call) {
    return this.#upsert(call, 'user');
  }

  upsertOrganization(call) {
    return this.#upsert(call, 'organization');
  }

  upsertUsers(call) {
    const rows = call.json.users;
    if (!Array.isArray(rows) || !rows.every(isObject)) throw badRequest('users must be an array', 'malformed');
    const names = rows.map((row) => row.external_id ?? row.email);
    if (new Set(names).size < rows.length) throw badRequest('each user has an external_id of its own', 'user twice');
    const work = (row) => {
      const { record, outcome } = this.people.user.upsert(row);
      const created = outcome === 'created';
      this.counters.records[outcome] += 1;
      return { id: Number(record.id), external_id: record.fields.external_id ?? null, email: record.fields.email ?? null,
        action: created ? 'create' : 'update', status: created ? 'Created' : 'Updated' };
    };
    const job = this.jobs.submit('Bulk Create User', rows, this.#worker(call, 'create', (row) => row.external_id, work), this.world.random);
    return this.#started(call, job);
  }

  #showPeople(call, kind) {
    const name = call.query.has('external_ids') ? 'external_ids' : 'ids';
    const found = this.#ids(call, name).map((id) => this.people[kind].find(name, id)).filter(Boolean);
    return json(200, { [`${kind}s`]: found.map((record) => this.people[kind].show(record, call.base)), next_page: null,
      previous_page: null, count: found.length });
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

function unauthorised(wrong) {
  if (wrong === 'missing') return json(401, { error: "Couldn't authenticate you" });
  return json(401, { error: 'invalid_token', error_description: INVALID_TOKEN },
    { 'WWW-Authenticate': `Bearer realm="Zendesk", error="invalid_token", error_description="${INVALID_TOKEN}"` });
}

function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  if (status === 401) return unauthorised('unknown');
  if (status === 429 && fault.code === undefined) return text(429, fault.message ?? 'Too Many Requests', headers);
  if (status === 503) return text(503, 'Service Unavailable', headers);
  const [code, message] = status === 409 ? ['DatabaseConflict', 'Database collision'] : ['InternalError', 'Something went wrong'];
  return json(status, { error: fault.code ?? code, description: fault.message ?? message }, headers);
}

// All the forms in which Zendesk tells how much is left.
function limitHeaders(call, { limits, model }) {
  const total = limits.windowMax || 700;
  const remaining = String(limits.windowMax ? limits.windowRemaining : total - 1);
  const headers = { 'X-Rate-Limit': String(total), 'X-Rate-Limit-Remaining': remaining, 'ratelimit-limit': String(total),
    'ratelimit-remaining': remaining, 'ratelimit-reset': String(limits.windowSeconds) };
  if (call.kind === 'ticket_update') {
    const { updateLimits: own } = model;
    const most = own.windowMax || 100;
    headers['Zendesk-RateLimit-tickets-update'] = `total=${most}; remaining=${own.windowMax ? own.windowRemaining : most - 1}; resets=${own.windowSeconds}`;
  }
  if (call.kind.endsWith('_many')) {
    const most = model.jobs.config.max;
    headers['Zendesk-RateLimit-inflight-jobs'] = `total=${most}; remaining=${Math.max(0, most - model.jobs.running)}; resets=60`;
  }
  return headers;
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
    update_limits: {},
    ticket_limits: null,
  },
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
    return json(429, { error: 'APIRateLimitExceeded', description: 'Number of allowed API requests per minute exceeded' },
      { 'Retry-After': String(world.limits.windowSeconds) });
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
