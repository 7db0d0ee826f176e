// answers: what Zendesk's answers look like: errors, limits, and what a job says of a row.

const INVALID_TOKEN =
  'The access token provided is expired, revoked, malformed or invalid for other reasons.';

export function json(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers }, body };
}

export function text(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, body };
}

// What a job says of a row that was refused.
export function rowError({ body }) {
  const details = body.details
    ? Object.values(body.details)
        .flat()
        .map((one) => one.description)
        .join(', ')
    : (body.description ?? body.error.message);
  return { error: typeof body.error === 'string' ? body.error : 'InvalidAttribute', details };
}

export function unauthorised(wrong) {
  if (wrong === 'missing') return json(401, { error: "Couldn't authenticate you" });
  return json(
    401,
    { error: 'invalid_token', error_description: INVALID_TOKEN },
    {
      'WWW-Authenticate': `Bearer realm="Zendesk", error="invalid_token", error_description="${INVALID_TOKEN}"`,
    },
  );
}

export function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  if (status === 401) return unauthorised('unknown');
  if (status === 429 && fault.code === undefined)
    return text(429, fault.message ?? 'Too Many Requests', headers);
  if (status === 503) return text(503, 'Service Unavailable', headers);
  const [code, message] =
    status === 409 ? ['DatabaseConflict', 'Database collision'] : ['InternalError', 'Something went wrong'];
  return json(status, { error: fault.code ?? code, description: fault.message ?? message }, headers);
}

// All the forms in which Zendesk tells how much is left.
export function limitHeaders(call, { limits, model }) {
  const total = limits.windowMax || 700;
  const remaining = String(limits.windowMax ? limits.windowRemaining : total - 1);
  const headers = {
    'X-Rate-Limit': String(total),
    'X-Rate-Limit-Remaining': remaining,
    'ratelimit-limit': String(total),
    'ratelimit-remaining': remaining,
    'ratelimit-reset': String(limits.windowSeconds),
  };
  if (call.kind === 'ticket_update') {
    const { updateLimits: own } = model;
    const most = own.windowMax || 100;
    headers['Zendesk-RateLimit-tickets-update'] =
      `total=${most}; remaining=${own.windowMax ? own.windowRemaining : most - 1}; resets=${own.windowSeconds}`;
  }
  if (call.kind.endsWith('_many')) {
    const most = model.jobs.config.max;
    headers['Zendesk-RateLimit-inflight-jobs'] =
      `total=${most}; remaining=${Math.max(0, most - model.jobs.running)}; resets=60`;
  }
  return headers;
}
