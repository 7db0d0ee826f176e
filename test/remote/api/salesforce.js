// salesforce: tokens, sObject Collections upsert, single records, Platform Events, queries. Its config:
//   objects           {name: {event?, fields: {name: {type, ...}}}}, see salesforce/schema.js
//   versions          API versions there are
//   max_records       of one Collections request
//   duplicate_code    of rows whose external id is twice in a request
//   unknown_field, wrong_type    'row': refuses the record; 'request': the whole request
//   update_status     of a single upsert that found its record: 200, or 204 as before v46.0
//   ambiguous         external ids that several records have: a single upsert answers 300
//   max_uri           characters of a path with its query
//   bursts            tells api-bursts in Sforce-Limit-Info too
import { createOne, publish, removeOne, updateOne, upsertMany, upsertOne } from './salesforce/write.js';
import { describe, describeGlobal, limitsOf, query, retrieve } from './salesforce/read.js';
import { failed } from './salesforce/errors.js';
import { compileObjects, DEFAULT_OBJECTS } from './salesforce/schema.js';

const ORGANISATION = '00D000000000001AAA';
const USER = '005000000000001AAA';

const STATUS_ERRORS = {
  500: ['UNKNOWN_EXCEPTION', 'An unexpected error occurred. Please include this ErrorId if you contact support.'],
  503: ['SERVER_UNAVAILABLE', 'The server is not available. Please try again later.'],
  401: ['INVALID_SESSION_ID', 'Session expired or invalid'],
  403: ['REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.'],
};

const KINDS = [
  [/^\/services\/oauth2\/token$/, 'token'],
  [/^\/services\/data\/?$/, 'versions'],
  [/^\/services\/data\/v[^/]+\/composite\/sobjects\//, 'upsert'],
  [/^\/services\/data\/v[^/]+\/sobjects\/[^/]+__e\/?$/, 'publish'],
  [/^\/services\/data\/v[^/]+\/query\/?$/, 'query'],
  [/^\/services\/data\/v[^/]+\/sobjects\/[^/]+\/[^/]+\/[^/]+$/, 'single'],
  [/^\/services\/data\/v[^/]+\/sobjects\/[^/]+\/describe$/, 'describe'],
  [/^\/services\/data\/v[^/]+\/sobjects/, 'sobject'],
];

// Behind /services/data/vNN.N: what method and path lead to.
const ROUTES = [
  ['PATCH', 'composite/sobjects/*/*', upsertMany],
  ['PATCH', 'sobjects/*/*/*', upsertOne],
  ['GET', 'sobjects/*/*/*', retrieve],
  ['GET', 'sobjects/*/describe', describe],
  ['GET', 'sobjects/*/*', retrieve],
  ['PATCH', 'sobjects/*/*', updateOne],
  ['DELETE', 'sobjects/*/*', removeOne],
  ['POST', 'sobjects/*', (call, world, parts) => (parts[0].endsWith('__e') ? publish : createOne)(call, world, parts)],
  ['GET', 'sobjects/*', describe],
  ['GET', 'sobjects', describeGlobal],
  ['GET', 'query', query],
  ['GET', 'limits', limitsOf],
].map(([method, pattern, run]) => ({ method, pattern: pattern.split('/'), run }));

// What the stars of the pattern stand for, or null.
function matched(pattern, segments) {
  if (pattern.length !== segments.length) return null;
  const parts = [];
  for (let i = 0; i < pattern.length; i += 1) {
    if (pattern[i] === '*') parts.push(segments[i]);
    else if (pattern[i] !== segments[i]) return null;
  }
  return parts;
}

function dispatch(call, world, segments) {
  const fitting = ROUTES.map((route) => ({ route, parts: matched(route.pattern, segments) })).filter((m) => m.parts);
  if (fitting.length === 0) return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
  const found = fitting.find(({ route }) => route.method === call.method);
  if (!found) {
    return failed(405, 'METHOD_NOT_ALLOWED', `HTTP Method '${call.method}' not allowed. Allowed are ${fitting.map((m) => m.route.method).join(',')}`);
  }
  const writes = call.method === 'POST' || call.method === 'PATCH';
  if (writes && call.mediaType !== 'application/json') {
    return failed(415, 'UNSUPPORTED_MEDIA_TYPE', `Content type ${call.mediaType || '(none)'} is not supported`);
  }
  if (writes && (call.json === undefined || call.json === null || typeof call.json !== 'object' || Array.isArray(call.json))) {
    return failed(400, 'JSON_PARSER_ERROR', 'The HTTP entity body is required to be a JSON object');
  }
  return found.route.run(call, world, found.parts);
}

export default {
  name: 'salesforce',

  defaults: {
    auth: {
      clients: { 'cxsig-client': 'cxsig-secret' },
      flows: ['client_credentials', 'jwt'],
      expires_in: 7200,
      jwt: {},
    },
    limits: { daily_max: 100000 },
    objects: DEFAULT_OBJECTS,
    versions: ['58.0', '59.0', '60.0', '61.0', '62.0', '63.0', '64.0', '65.0', '66.0', '67.0', '68.0'],
    max_records: 200,
    duplicate_code: 'DUPLICATE_VALUE',
    unknown_field: 'row',
    wrong_type: 'row',
    update_status: 200,
    ambiguous: [],
    max_uri: 16384,
    bursts: false,
  },

  open: ['versions'],

  compile(config, store) {
    return { objects: compileObjects(config.objects, store), ambiguous: new Set(config.ambiguous) };
  },

  kind(call) {
    return KINDS.find(([pattern]) => pattern.test(call.path))?.[1] ?? 'other';
  },

  token(granted, call) {
    if (granted.error) {
      return { status: 400, body: { error: granted.error, error_description: granted.description } };
    }
    const id = `${call.base}/id/${ORGANISATION}/${USER}`;
    return {
      status: 200,
      headers: { 'Cache-Control': 'no-cache, no-store' },
      body: {
        access_token: granted.access_token,
        signature: 'c2lnbmF0dXJl',
        scope: 'api',
        instance_url: call.base,
        id,
        token_type: 'Bearer',
        issued_at: String(Date.now()),
        token_format: 'opaque',
      },
    };
  },

  handle(call, world) {
    const [services, data, version, ...rest] = call.segments;
    if (services !== 'services' || data !== 'data') {
      return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
    }
    const { versions, max_uri: maxUri } = world.config;
    if (version === undefined) {
      return { status: 200, body: versions.map((v) => ({ label: `Release ${v}`, url: `/services/data/v${v}`, version: v })) };
    }
    if (!versions.includes(version.replace(/^v/, ''))) {
      return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
    }
    if (call.path.length + call.search.length > maxUri) {
      world.counters.refuse('URI too long');
      return { status: 414, body: '<html><body><h1>414 URI Too Long</h1></body></html>', headers: { 'Content-Type': 'text/html' } };
    }
    const answer = dispatch(call, world, rest);
    if (answer.status >= 400) world.counters.refuse(answer.body?.[0]?.errorCode ?? String(answer.status));
    return answer;
  },

  refusal(reason, detail) {
    if (reason === 'unauthorised') return failed(401, ...STATUS_ERRORS[401]);
    if (reason === 'quota') return failed(403, ...STATUS_ERRORS[403]);
    if (reason === 'rate') return failed(403, 'REQUEST_LIMIT_EXCEEDED', 'ConcurrentPerOrgLongTxn Limit exceeded.');
    const [code, message] = STATUS_ERRORS[detail.kind] ?? ['UNKNOWN_EXCEPTION', `stand-in: ${detail.kind}`];
    const answer = failed(Number(detail.kind), detail.code ?? code, detail.message ?? message);
    if (detail.retry_after !== undefined) answer.headers = { 'Retry-After': String(detail.retry_after) };
    return answer;
  },

  headers(call, world) {
    if (call.kind === 'token') return {};
    const usage = `api-usage=${world.limits.dailyUsed}/${world.limits.dailyMax}`;
    return { 'Sforce-Limit-Info': world.config.bursts ? `${usage}; api-bursts=1/750` : usage };
  },
};
