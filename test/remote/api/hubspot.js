// hubspot: CRM objects: batch upsert and read, single records, OAuth refresh. Its config:
//   objects        {type: {properties: {name: {type, ...}}}}, see hubspot/schema.js
//   versions       of the dated paths, /crm/objects/VERSION/TYPE, beside /crm/v3/objects/TYPE
//   multi_status   when some rows fail, 207 with the others' results: 'trace' where each input has an
//                  objectWriteTraceId of its own, 'always', or 'never': then 400 for them all
//   attribution    how an error of a 207 names its row: 'trace', 'ids', or 'none'
//   duplicates     an id twice in a batch: 'refuse', or 'last' wins
//   max_inputs     of one batch
//   shuffle        results come in any order
//   retry_after    a 429 has the header
import { failed } from './hubspot/errors.js';
import { create, readMany, readOne, removeOne, updateOne } from './hubspot/single.js';
import { compileObjects, DEFAULT_OBJECTS } from './hubspot/schema.js';
import { upsertMany } from './hubspot/upsert.js';

const HUB_ID = 1234567;
const OBJECTS = /^\/crm\/(?:v3\/objects|objects\/([^/]+))\/([^/]+)(?:\/(.*))?$/;
const TOKEN = /^\/oauth\/(v1|v3|2026-09)\/token$/;

const UNAUTHORISED = {
  missing: ['INVALID_AUTHENTICATION', 'Authentication credentials not found. This API supports OAuth 2.0 authentication.'],
  unknown: ['INVALID_AUTHENTICATION', 'The access token is malformed or not known.'],
  expired: ['EXPIRED_AUTHENTICATION', 'The OAuth token used to make this call expired.'],
};

const STATUS_ERRORS = {
  401: UNAUTHORISED.expired,
  403: ['MISSING_SCOPES', 'This app has not been granted all required scopes to make this call.'],
  409: ['CONFLICT', 'Object was changed by another call.'],
  423: ['LOCKED', 'The resource is locked by another call.'],
  429: ['RATE_LIMITS', 'You have reached your ten_secondly_rolling limit.'],
  477: ['MIGRATION_IN_PROGRESS', 'The account is being migrated.'],
};

const KINDS = [
  [/^POST .*\/batch\/upsert$/, 'upsert'],
  [/^POST .*\/batch\/read$/, 'read'],
  [/^PATCH /, 'update'],
  [/^GET /, 'get'],
  [/^POST /, 'create'],
  [/^DELETE /, 'delete'],
];

function limited(policy, call, world, retryAfter) {
  const answer = failed(429, 'RATE_LIMITS', `You have reached your ${policy.toLowerCase()} limit.`, { errorType: 'RATE_LIMIT', policyName: policy });
  const seconds = retryAfter ?? (world.config.retry_after ? world.limits.windowSeconds : undefined);
  if (seconds !== undefined) answer.headers = { 'Retry-After': String(seconds) };
  return answer;
}

function dispatch(call, world, object, rest) {
  const { method } = call;
  if (rest === 'batch/upsert' && method === 'POST') return upsertMany(call, world, object);
  if (rest === 'batch/read' && method === 'POST') return readMany(call, world, object);
  if (rest === '' && method === 'POST') return create(call, world, object);
  if (rest !== '' && !rest.includes('/')) {
    const id = decodeURIComponent(rest);
    if (method === 'PATCH') return updateOne(call, world, object, id);
    if (method === 'GET') return readOne(call, world, object, id);
    if (method === 'DELETE') return removeOne(call, world, object, id);
  }
  return failed(405, undefined, 'HTTP 405 Method Not Allowed');
}

export default {
  name: 'hubspot',

  defaults: {
    auth: {
      clients: { 'cxsig-client': 'cxsig-secret' },
      flows: ['refresh_token'],
      refresh_tokens: ['cxsig-refresh'],
      static_tokens: ['pat-cxsig'],
      expires_in: 1800,
    },
    limits: { window_ms: 10000, window_max: 190, daily_max: 625000 },
    objects: DEFAULT_OBJECTS,
    versions: ['2025-09', '2026-03', '2026-09'],
    multi_status: 'trace',
    attribution: 'trace',
    duplicates: 'refuse',
    max_inputs: 100,
    shuffle: true,
    retry_after: false,
  },

  compile(config, store) {
    return { objects: compileObjects(config.objects, store) };
  },

  kind(call) {
    if (TOKEN.test(call.path)) return 'token';
    const line = `${call.method} ${call.path}`;
    return KINDS.find(([pattern]) => pattern.test(line))?.[1] ?? 'other';
  },

  token(granted, call) {
    if (granted.error) {
      const status = granted.error === 'invalid_grant' ? 'BAD_REFRESH_TOKEN' : 'BAD_CLIENT';
      return failed(400, undefined, granted.description, {
        status,
        error: granted.error,
        error_description: granted.description,
      });
    }
    const version = TOKEN.exec(call.path)[1];
    const body = { token_type: 'bearer', ...granted, hub_id: HUB_ID };
    if (version !== 'v1') Object.assign(body, { token_use: 'access_token', scopes: ['crm.objects.custom.write'] });
    return { status: 200, body };
  },

  handle(call, world) {
    const match = OBJECTS.exec(call.path);
    if (!match || (match[1] !== undefined && !world.config.versions.includes(match[1]))) {
      return failed(404, undefined, 'resource not found');
    }
    const object = world.model.objects.get(decodeURIComponent(match[2]));
    if (!object) return failed(400, 'VALIDATION_ERROR', `Unable to infer object type from: ${match[2]}`);
    const writes = call.method === 'POST' || call.method === 'PATCH';
    if (writes && call.mediaType !== 'application/json') return failed(415, undefined, 'HTTP 415 Unsupported Media Type');
    if (writes && (call.json === null || typeof call.json !== 'object' || Array.isArray(call.json))) {
      return failed(400, 'VALIDATION_ERROR', 'Invalid input JSON: a JSON object is expected');
    }
    const answer = dispatch(call, world, object, match[3] ?? '');
    if (answer.status >= 400) world.counters.refuse(answer.body?.category ?? String(answer.status));
    return answer;
  },

  refusal(reason, detail, call, world) {
    if (reason === 'unauthorised') return failed(401, ...UNAUTHORISED[detail]);
    if (reason === 'rate') return limited('TEN_SECONDLY_ROLLING', call, world);
    if (reason === 'quota') return limited('DAILY', call, world);
    if (detail.kind === '429') return limited(detail.policy ?? 'TEN_SECONDLY_ROLLING', call, world, detail.retry_after);
    const [category, message] = STATUS_ERRORS[detail.kind] ?? [undefined, 'internal error'];
    const answer = failed(Number(detail.kind), detail.code ?? category, detail.message ?? message);
    if (detail.retry_after !== undefined) answer.headers = { 'Retry-After': String(detail.retry_after) };
    return answer;
  },

  headers(call, world) {
    const { limits, config } = world;
    const headers = {};
    if (call.kind === 'token') return headers;
    if (limits.windowMax > 0) {
      headers['X-HubSpot-RateLimit-Max'] = String(limits.windowMax);
      headers['X-HubSpot-RateLimit-Remaining'] = String(limits.windowRemaining);
      headers['X-HubSpot-RateLimit-Interval-Milliseconds'] = String(limits.windowMs);
    }
    const token = (call.header('authorization') ?? '').replace(/^Bearer +/i, '');
    if (limits.dailyMax > 0 && (config.auth.static_tokens ?? []).includes(token)) {
      headers['X-HubSpot-RateLimit-Daily'] = String(limits.dailyMax);
      headers['X-HubSpot-RateLimit-Daily-Remaining'] = String(limits.dailyRemaining);
    }
    return headers;
  },
};
