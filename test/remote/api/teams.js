// teams: a webhook of the Workflows app, POST /workflows/ID/triggers/manual/paths/invoke?...&sig=SECRET,
// answered 202 with nothing. Config beside the usual:
//   signature   what sig has to be; any when missing
//   posted      "checked": a card that Teams would not show is refused with 400, so that a test sees it;
//               "blind": it is taken with 202 as by the real one, and kept as not posted
//   max_bytes   of a message; 28672 when missing
import { refuseEnvelope } from './teams/card.js';

const MAX_BYTES = 28 * 1024;
const CODES = {
  401: 'DirectApiAuthorizationRequired',
  404: 'WorkflowNotFound',
  429: 'WorkflowRunRateLimitExceeded',
};

function json(status, code, message, headers = {}) {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: { error: { code, message } },
  };
}

function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  return json(
    status,
    fault.code ?? CODES[status] ?? 'InternalServerError',
    fault.message ?? 'The request could not be handled.',
    headers,
  );
}

class Teams {
  constructor(config, store) {
    this.config = config;
    this.table = store.table('message') ?? store.define('message');
  }

  #refuse(reason, answer) {
    this.counters.refuse(reason);
    return answer;
  }

  serve(call, world) {
    this.counters = world.counters;
    if (call.method !== 'POST' || !/^\/workflows\/[\w-]+\/triggers\/manual\/paths\/invoke$/.test(call.path)) {
      return this.#refuse('not found', json(404, 'WorkflowNotFound', 'The workflow could not be found.'));
    }
    if (!call.query.get('api-version')) {
      return this.#refuse(
        'no api-version',
        json(
          400,
          'MissingApiVersionParameter',
          'The api-version query parameter (?api-version=) is required for all requests.',
        ),
      );
    }
    const signature = call.query.get('sig');
    if (!signature || (this.config.signature !== null && signature !== this.config.signature)) {
      return this.#refuse(
        'bad signature',
        json(401, 'AuthorizationFailed', 'The authentication credentials are not valid.'),
      );
    }
    const wrong = this.#wrong(call);
    if (wrong) this.counters.refuse(wrong.reason);
    if (wrong && this.config.posted === 'checked') return json(400, 'InvalidCard', wrong.message);
    this.table.insert(
      { posted: !wrong, why: wrong?.message ?? null, message: call.json ?? null },
      { key: call.segments[1] },
    );
    return { status: 202 };
  }

  #wrong(call) {
    if (call.mediaType !== 'application/json')
      return { reason: 'content type', message: 'Content-Type is not application/json' };
    if (call.body.length > this.config.max_bytes)
      return { reason: 'too large', message: `the message has ${call.body.length} bytes` };
    const message = refuseEnvelope(call.json);
    return message ? { reason: 'bad card', message } : null;
  }
}

export default {
  name: 'teams',
  defaults: { auth: { required: false }, signature: null, posted: 'checked', max_bytes: MAX_BYTES },
  compile: (config, store) => new Teams(config, store),
  kind: () => 'message',
  token: () => json(404, 'WorkflowNotFound', 'The workflow could not be found.'),
  handle: (call, world) => world.model.serve(call, world),
  refusal: (reason, detail, call, world) =>
    worded(reason === 'fault' ? detail : { kind: '429', retry_after: world.limits.windowSeconds }),
};
