// errors: the two shapes of Salesforce's errors: of a request, and of a record among others.

// A request that is refused: an array, with errorCode.
export function failed(status, errorCode, message, fields) {
  return { status, body: [fields ? { message, errorCode, fields } : { message, errorCode }] };
}

// A record's error: statusCode instead.
export function rowError(statusCode, message, fields = []) {
  return { statusCode, message, fields };
}

// A record's error as that of a request for it alone.
export function asRequest(error, status = 400) {
  return failed(status, error.statusCode, error.message, error.fields);
}
