// slack: incoming webhooks, POST /services/T.../B.../SECRET. Config beside the usual:
//   hooks    {"T0/B0/secret": { channel, error }}: error is the word that all its messages are answered
//            with, as "channel_is_archived"; any hook is good when missing
//   strict   false lets through what Slack shows garbled rather than refuses
//   hook_limits   { window_ms, window_max } of each hook: about one message a second
import { Limits } from '../lib/limits.js';
import { ignoredMembers, refuseMessage } from './slack/message.js';

const STATUSES = {
  invalid_payload: 400,
  no_text: 400,
  invalid_blocks: 400,
  invalid_attachments: 400,
  msg_too_long: 400,
  user_not_found: 400,
  invalid_token: 403,
  action_prohibited: 403,
  posting_to_general_channel_denied: 403,
  channel_not_found: 404,
  no_service: 404,
  no_team: 404,
  channel_is_archived: 410,
  rollup_error: 500,
  rate_limited: 429,
};
const WORDS = {
  403: 'action_prohibited',
  404: 'no_service',
  410: 'channel_is_archived',
  429: 'rate_limited',
};

function plain(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'text/html', ...headers }, body };
}

function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  return plain(status, fault.code ?? WORDS[status] ?? 'rollup_error', headers);
}

class Slack {
  constructor(config, store) {
    this.config = config;
    this.table = store.table('message') ?? store.define('message');
    this.limits = new Map();
  }

  #limitsOf(name) {
    if (!this.limits.has(name))
      this.limits.set(name, new Limits({ window_ms: 1000, ...this.config.hook_limits }));
    return this.limits.get(name);
  }

  serve(call, world) {
    this.counters = world.counters;
    const [services, ...parts] = call.segments;
    const name = parts.join('/');
    if (call.method !== 'POST' || services !== 'services' || !/^T\w+\/B\w+\/\w+$/.test(name))
      return this.#refuse('no_service');
    const { hooks } = this.config;
    if (hooks && !Object.hasOwn(hooks, name)) return this.#refuse('invalid_token');
    if (hooks?.[name].error) return this.#refuse(hooks[name].error);
    const limits = this.#limitsOf(name);
    if (limits.take()) return this.#refuse('rate_limited', { 'Retry-After': String(limits.windowSeconds) });
    const message = this.#message(call);
    const wrong = refuseMessage(message, this.config.strict);
    if (wrong) return this.#refuse(wrong);
    this.table.insert(
      {
        hook: name,
        channel: hooks?.[name].channel ?? null,
        ignored: ignoredMembers(message),
        ...message,
      },
      { key: name },
    );
    return plain(200, 'ok');
  }

  #refuse(word, headers) {
    this.counters.refuse(word);
    return plain(STATUSES[word] ?? 400, word, headers);
  }

  // JSON, or a form with the JSON as payload.
  #message(call) {
    if (call.mediaType === 'application/json') return call.json;
    if (call.mediaType !== 'application/x-www-form-urlencoded') return undefined;
    try {
      return JSON.parse(call.form.get('payload'));
    } catch {
      return undefined;
    }
  }
}

export default {
  name: 'slack',
  defaults: { auth: { required: false }, hooks: null, strict: true, hook_limits: {} },
  compile: (config, store) => new Slack(config, store),
  kind: () => 'message',
  token: () => plain(404, 'no_service'),
  handle: (call, world) => world.model.serve(call, world),
  refusal: (reason, detail, call, world) =>
    reason === 'fault'
      ? worded(detail)
      : plain(429, 'rate_limited', { 'Retry-After': String(world.limits.windowSeconds) }),
};
