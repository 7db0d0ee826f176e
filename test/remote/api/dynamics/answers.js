// answers: what the answers of Dataverse and of its token endpoint look like.
import crypto from 'node:crypto';

const JSON_TYPE = 'application/json; odata.metadata=minimal';

export function json(status, body, headers = {}) {
  return { status, headers: { 'Content-Type': JSON_TYPE, 'OData-Version': '4.0', ...headers }, body };
}

export function empty(status, headers = {}) {
  return { status, headers: { 'OData-Version': '4.0', ...headers } };
}

export function refusedAs(error) {
  return json(error.status, error.body);
}

export function unauthorised() {
  const challenge = 'Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize';
  return { status: 401, headers: { 'WWW-Authenticate': challenge } };
}

export function worded(fault) {
  const headers = fault.retry_after === undefined ? {} : { 'Retry-After': String(fault.retry_after) };
  const status = Number(fault.kind);
  if (status === 401) return unauthorised();
  const codes = {
    403: '0x80040220',
    404: '0x80040217',
    412: '0x80060882',
    429: '0x80072322',
    503: '0x80044a02',
  };
  const error = {
    code: fault.code ?? codes[status] ?? '0x80040216',
    message: fault.message ?? 'An unexpected error occurred.',
  };
  return json(status, { error }, headers);
}

export function tokenError(status, error, code, description) {
  return json(status, {
    error,
    error_description: `AADSTS${code}: ${description}`,
    error_codes: [code],
    timestamp: new Date().toISOString(),
    trace_id: crypto.randomUUID(),
    correlation_id: crypto.randomUUID(),
  });
}

export function tokenRefused({ error, description }, call) {
  if (error === 'invalid_client' && description.includes('credentials')) {
    return tokenError(401, error, 7000215, 'Invalid client secret provided.');
  }
  if (error === 'invalid_client') {
    return tokenError(
      400,
      'unauthorized_client',
      700016,
      `Application with identifier '${call.form.get('client_id')}' was not found in the directory.`,
    );
  }
  if (error === 'invalid_scope') {
    return tokenError(
      400,
      error,
      70011,
      `The provided value for the input parameter 'scope' is not valid: ${call.form.get('scope')}.`,
    );
  }
  return tokenError(400, error, 70003, description);
}
