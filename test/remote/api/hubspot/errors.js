// errors: HubSpot's one shape of an error, and those of properties.
import crypto from 'node:crypto';

export function failed(status, category, message, more) {
  const correlationId = crypto.randomUUID();
  return {
    status,
    headers: { 'X-HubSpot-Correlation-Id': correlationId },
    body: { status: 'error', message, correlationId, ...(category ? { category } : {}), ...more },
  };
}

// What is wrong with a record: { category, message, errors?, status? }, to be a 400 or a row of a 207.
export function invalidProperty(code, name, message) {
  return {
    category: 'VALIDATION_ERROR',
    message: `Property values were not valid: ${JSON.stringify([{ isValid: false, message, error: code, name }])}`,
    errors: [{ message, code, context: { propertyName: [name] } }],
    code,
  };
}

export function invalidInput(message, code = 'VALIDATION_ERROR') {
  return { category: 'VALIDATION_ERROR', message, code };
}

// A record's error as that of the whole request.
export function asRequest({ category, message, errors, httpStatus = 400 }) {
  return failed(httpStatus, category, message, errors ? { errors } : undefined);
}

// A record's error as a row of a 207.
export function asRow({ category, message, errors }, context) {
  return { status: 'error', category, message, context, ...(errors ? { errors } : {}) };
}
