// pagerduty: Events API v2, POST /v2/enqueue. Events of one key fold into one incident until it is
// resolved; a trigger after that opens another. Config beside the usual:
//   routing_keys   those there are; any of 32 letters and digits when missing
//   key_limits     { window_ms, window_max } of each routing key
// Control call: open, the incidents that are not resolved, by their dedup_key.
import crypto from 'node:crypto';

import { isObject } from '../lib/call.js';
import { Limits } from '../lib/limits.js';

const MAX_BYTES = 512 * 1024;
const MAX_KEY = 255;
const MAX_SUMMARY = 1024;
const SEVERITIES = ['critical', 'error', 'warning', 'info'];
const ACTIONS = ['trigger', 'acknowledge', 'resolve'];
const MEMBERS = [
  'routing_key',
  'event_action',
  'dedup_key',
  'payload',
  'client',
  'client_url',
  'links',
  'images',
];
const DETAILS = [
  'summary',
  'source',
  'severity',
  'timestamp',
  'component',
  'group',
  'class',
  'custom_details',
];
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})$/;

function json(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body };
}

function isBlank(value) {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
}

function isUrl(value) {
  return typeof value === 'string' && /^https?:\/\/\S+$/.test(value);
}

function payloadErrors(payload) {
  if (!isObject(payload)) return ["'payload' is missing or blank"];
  const errors = [];
  for (const name of ['summary', 'source', 'severity']) {
    if (isBlank(payload[name])) errors.push(`'payload.${name}' is missing or blank`);
    else if (typeof payload[name] !== 'string') errors.push(`'payload.${name}' must be a string`);
  }
  if (payload.summary?.length > MAX_SUMMARY)
    errors.push(`'payload.summary' is too long (the maximum is ${MAX_SUMMARY} characters)`);
  if (!isBlank(payload.severity) && !SEVERITIES.includes(payload.severity)) {
    errors.push(
      "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
    );
  }
  if (
    payload.timestamp !== undefined &&
    !(typeof payload.timestamp === 'string' && TIME.test(payload.timestamp))
  ) {
    errors.push("'payload.timestamp' is not a valid ISO 8601 timestamp");
  }
  for (const name of ['component', 'group', 'class']) {
    if (payload[name] !== undefined && typeof payload[name] !== 'string')
      errors.push(`'payload.${name}' must be a string`);
  }
  if (payload.custom_details !== undefined && !isObject(payload.custom_details))
    errors.push("'payload.custom_details' must be an object");
  for (const name of Object.keys(payload))
    if (!DETAILS.includes(name)) errors.push(`'payload.${name}' is not known`);
  return errors;
}

function listErrors(list, name, test) {
  if (list === undefined) return [];
  return Array.isArray(list) && list.every(test) ? [] : [`'${name}' is invalid`];
}

// What is wrong with an event, as PagerDuty lists it.
function eventErrors(event) {
  const errors = [];
  if (isBlank(event.routing_key)) errors.push("'routing_key' is missing or blank");
  else if (!/^\w{32}$/.test(event.routing_key))
    errors.push("Length of 'routing_key' is incorrect (should be 32 characters)");
  if (isBlank(event.event_action)) errors.push("'event_action' is missing or blank");
  else if (!ACTIONS.includes(event.event_action)) {
    errors.push(
      "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')",
    );
  }
  const key = event.dedup_key;
  if (event.event_action !== 'trigger' && isBlank(key)) errors.push("'dedup_key' is missing or blank");
  if (key !== undefined && typeof key !== 'string') errors.push("'dedup_key' must be a string");
  if (key?.length > MAX_KEY) errors.push(`'dedup_key' is too long (the maximum is ${MAX_KEY} characters)`);
  if (event.event_action === 'trigger' || event.payload !== undefined)
    errors.push(...payloadErrors(event.payload));
  errors.push(
    ...listErrors(
      event.links,
      'links',
      (link) => isUrl(link?.href) && [undefined, 'string'].includes(typeof link.text),
    ),
  );
  errors.push(...listErrors(event.images, 'images', (image) => isUrl(image?.src)));
  if (event.client_url !== undefined && !isUrl(event.client_url)) errors.push("'client_url' is not a URL");
  for (const name of Object.keys(event)) if (!MEMBERS.includes(name)) errors.push(`'${name}' is not known`);
  return errors;
}

function throttled(headers) {
  return json(
    429,
    {
      status: 'throttle exceeded',
      message: 'Requests for this service are arriving too quickly. Please retry later.',
    },
    headers,
  );
}

function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  if (status === 429) return throttled(headers);
  return json(
    status,
    { status: fault.code ?? 'error', message: fault.message ?? 'Internal Server Error' },
    headers,
  );
}

class PagerDuty {
  constructor(config, store) {
    this.config = config;
    this.table = store.table('incident') ?? store.define('incident');
    store.open ??= new Map(); // routing key and dedup key -> the incident that is not resolved
    this.open = store.open;
    this.limits = new Map();
  }

  #invalid(errors) {
    this.counters.refuse('invalid event');
    return json(400, { status: 'invalid event', message: 'Event object is invalid', errors });
  }

  serve(call, world) {
    this.counters = world.counters;
    if (call.method !== 'POST' || call.path !== '/v2/enqueue') {
      this.counters.refuse('not found');
      return json(404, { status: 'not found', message: 'Not Found' });
    }
    if (call.body.length > MAX_BYTES) {
      this.counters.refuse('too large');
      return json(413, { status: 'invalid event', message: 'The event is too large', errors: [] });
    }
    const event = call.mediaType === 'application/json' ? call.json : undefined;
    if (!isObject(event)) return this.#invalid(['JSON object expected']);
    const errors = eventErrors(event);
    if (errors.length > 0) return this.#invalid(errors);
    const known = this.config.routing_keys;
    if (known && !known.includes(event.routing_key)) return this.#invalid(['Invalid routing key']);
    const limits = this.#limitsOf(event.routing_key);
    if (limits.take()) {
      this.counters.refuse('rate');
      return throttled({ 'Retry-After': String(limits.windowSeconds) });
    }
    const key = event.dedup_key ?? crypto.randomBytes(16).toString('hex');
    this.#take(event, key);
    return json(202, { status: 'success', message: 'Event processed', dedup_key: key });
  }

  #limitsOf(key) {
    if (!this.limits.has(key))
      this.limits.set(key, new Limits({ window_ms: 60_000, ...this.config.key_limits }));
    return this.limits.get(key);
  }

  #take(event, key) {
    const name = `${event.routing_key}/${key}`;
    const incident = this.open.get(name);
    const { event_action: action, routing_key: routingKey, dedup_key: _, ...told } = event;
    if (action === 'trigger') {
      if (incident) {
        this.table.update(incident, { ...told, triggers: incident.fields.triggers + 1 });
      } else {
        this.open.set(
          name,
          this.table.insert(
            { routing_key: routingKey, dedup_key: key, state: 'triggered', triggers: 1, ...told },
            { key },
          ),
        );
      }
    } else if (!incident) this.counters.refuse(`${action} of nothing`);
    else {
      this.table.update(incident, { state: action === 'resolve' ? 'resolved' : 'acknowledged' });
      if (action === 'resolve') this.open.delete(name);
    }
  }
}

export default {
  name: 'pagerduty',
  defaults: { auth: { required: false }, routing_keys: null, key_limits: {} },
  compile: (config, store) => new PagerDuty(config, store),
  controls: {
    open: ({ model }) => ({
      open: Object.fromEntries([...model.open.values()].map(({ fields }) => [fields.dedup_key, fields])),
    }),
  },
  kind: () => 'event',
  token: () => json(404, { status: 'not found', message: 'Not Found' }),
  handle: (call, world) => world.model.serve(call, world),
  refusal: (reason, detail, call, world) =>
    reason === 'fault' ? worded(detail) : throttled({ 'Retry-After': String(world.limits.windowSeconds) }),
};
