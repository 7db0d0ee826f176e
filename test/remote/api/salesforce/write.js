// write: upserts of many and of one, and single inserts, updates and events.
import { isObject } from '../../lib/call.js';
import { asRequest, failed, rowError } from './errors.js';
import { checkValue } from './schema.js';

const ROLLED_BACK = rowError(
  'ALL_OR_NONE_OPERATION_ROLLED_BACK',
  'Record rolled back because not all records were valid and the request was using AllOrNone header',
);

// The object of a path, or the answer that there is none.
function objectOf(world, name) {
  return world.model.objects.get(name) ?? null;
}

function noObject() {
  return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
}

// An object with that external id field, or { refusal }.
function target(world, name, keyField) {
  const object = objectOf(world, name);
  if (!object || object.event) return { refusal: noObject() };
  if (!object.fields.get(keyField)?.externalId) {
    return { refusal: failed(404, 'NOT_FOUND', `Provided external ID field does not exist or is not accessible: ${keyField}`) };
  }
  return { object };
}

// The first error of a record's fields, or null. whole errors keep their mark.
function checkFields(object, fields, existing) {
  for (const name of Object.keys(fields)) {
    const error = checkValue(object, name, fields[name]);
    if (error) return error;
  }
  if (existing) return null;
  const missing = [...object.fields].filter(([name, field]) => field.required && (fields[name] ?? null) === null);
  if (missing.length === 0) return null;
  const names = missing.map(([name]) => name);
  return rowError('REQUIRED_FIELD_MISSING', `Required fields are missing: [${names.join(', ')}]`, names);
}

// Another record that has the value of a unique field.
function takenBy(object, fields, existing) {
  for (const name of object.table.unique) {
    const value = fields[name];
    if (value === undefined || value === null || value === '') continue;
    const other = object.table.find(name, value);
    if (other && other !== existing) {
      return rowError('DUPLICATE_VALUE', `duplicate value found: ${name} duplicates value on record with id: ${other.id}`);
    }
  }
  return null;
}

// What stands against the envelope of a Collections request, or null.
function badEnvelope(world, object, body) {
  const { records, allOrNone = false } = body;
  const extra = Object.keys(body).find((key) => key !== 'records' && key !== 'allOrNone');
  if (extra !== undefined) return failed(400, 'JSON_PARSER_ERROR', `Unrecognized field "${extra}"`);
  if (typeof allOrNone !== 'boolean') return failed(400, 'JSON_PARSER_ERROR', 'allOrNone is not a boolean');
  if (!Array.isArray(records) || records.length === 0) {
    return failed(400, 'JSON_PARSER_ERROR', 'records is required to be a list of records');
  }
  const max = world.config.max_records;
  if (records.length > max) {
    return failed(400, 'EXCEEDED_ID_LIMIT', `record limit reached. cannot submit more than ${max} records into this call`);
  }
  for (const record of records) {
    if (!isObject(record) || !isObject(record.attributes) || typeof record.attributes.type !== 'string') {
      return failed(400, 'JSON_PARSER_ERROR', 'Include an entity type in each record: attributes.type is missing');
    }
    if (record.attributes.type !== object.name) {
      return failed(400, 'INVALID_FIELD', `Record type ${record.attributes.type} is not that of the request: ${object.name}`);
    }
  }
  return null;
}

function textKey(object, keyField, value) {
  const text = String(value);
  return object.table.fold.has(keyField) ? text.toLowerCase() : text;
}

// External ids that are more than once in the request.
function repeated(object, keyField, records) {
  const seen = new Set();
  const twice = new Set();
  for (const record of records) {
    const key = textKey(object, keyField, record[keyField]);
    if (seen.has(key)) twice.add(key);
    seen.add(key);
  }
  return twice;
}

// A record of a Collections request, checked: { error } or { fields, existing }.
function checkRecord(call, world, object, keyField, record, twice) {
  const { attributes, ...fields } = record;
  const key = fields[keyField];
  if ('Id' in fields || 'id' in fields) {
    return { error: rowError('INVALID_FIELD', 'cannot specify Id in an upsert by external id', ['Id']) };
  }
  if (key === undefined || key === null || key === '') {
    return { error: rowError('MISSING_ARGUMENT', `${keyField} not specified`, [keyField]) };
  }
  if (twice.has(textKey(object, keyField, key))) {
    return { error: rowError(world.config.duplicate_code, `duplicate external id specified: ${key}`, [keyField]) };
  }
  const existing = object.table.find(keyField, key);
  const error = checkFields(object, fields, existing) ?? takenBy(object, fields, existing);
  if (error) return { error };
  if (world.model.ambiguous.has(String(key))) {
    return { error: rowError('DUPLICATE_EXTERNAL_ID', `more than one record found for external id field: ${keyField}`, []) };
  }
  const fault = world.faults.drawRow(call, key);
  if (fault) {
    return {
      error: rowError(fault.code ?? 'UNABLE_TO_LOCK_ROW', fault.message ?? 'unable to obtain exclusive access to this record'),
    };
  }
  return { fields, existing };
}

function apply(object, { fields, existing }) {
  const record = existing ? object.table.update(existing, fields) : object.table.insert(fields);
  return { id: record.id, success: true, errors: [], created: !existing };
}

function refused(world, error) {
  const { whole, ...shown } = error;
  world.counters.refuseRecord(shown.statusCode);
  return { success: false, errors: [shown] };
}

// PATCH composite/sobjects/OBJECT/FIELD
export function upsertMany(call, world, [name, keyField]) {
  const { object, refusal } = target(world, name, keyField);
  if (refusal) return refusal;
  const body = call.json;
  const bad = badEnvelope(world, object, body);
  if (bad) return bad;

  const twice = repeated(object, keyField, body.records);
  const checked = body.records.map((record) => checkRecord(call, world, object, keyField, record, twice));
  const whole = checked.find(({ error }) => error?.whole && world.config[error.whole] === 'request');
  if (whole) {
    const { whole: mark, ...error } = whole.error;
    return asRequest(error);
  }
  if (body.allOrNone && checked.some(({ error }) => error)) {
    return { status: 200, body: checked.map(({ error }) => refused(world, error ?? ROLLED_BACK)) };
  }
  // Two records of one request may want the same value of another unique field: the later one loses.
  return {
    status: 200,
    body: checked.map((row) => {
      const error = row.error ?? takenBy(object, row.fields, row.existing);
      return error ? refused(world, error) : apply(object, row);
    }),
  };
}

function refuseSingle(world, error) {
  const { whole, ...shown } = error;
  world.counters.refuseRecord(shown.statusCode);
  return asRequest(shown);
}

// PATCH sobjects/OBJECT/FIELD/VALUE
export function upsertOne(call, world, [name, keyField, key]) {
  const { object, refusal } = target(world, name, keyField);
  if (refusal) return refusal;
  const { attributes, ...body } = call.json;
  if (keyField in body || 'Id' in body || 'id' in body) {
    return failed(400, 'INVALID_FIELD', `The ${keyField in body ? keyField : 'Id'} field should not be specified in the sobject data.`);
  }
  const path = call.path.split('/').slice(0, 5).join('/');
  if (world.model.ambiguous.has(key)) {
    return { status: 300, body: [1, 2].map((n) => `${path}/${name}/${object.table.makeId(900000 + n)}`) };
  }
  const existing = object.table.find(keyField, key);
  if (!existing && call.query.get('updateOnly') === 'true') {
    return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
  }
  const fields = { [keyField]: key, ...body };
  const error = checkFields(object, fields, existing) ?? takenBy(object, fields, existing);
  if (error) return refuseSingle(world, error);
  const fault = world.faults.drawRow(call, key);
  if (fault) {
    return refuseSingle(world, rowError(fault.code ?? 'UNABLE_TO_LOCK_ROW', fault.message ?? 'unable to obtain exclusive access to this record'));
  }
  const result = apply(object, { fields, existing });
  if (existing && world.config.update_status === 204) return { status: 204 };
  return { status: existing ? 200 : 201, body: result };
}

// POST sobjects/OBJECT
export function createOne(call, world, [name]) {
  const object = objectOf(world, name);
  if (!object) return noObject();
  const { attributes, ...fields } = call.json;
  const error = checkFields(object, fields, null) ?? takenBy(object, fields, null);
  if (error) return refuseSingle(world, error);
  const record = object.table.insert(fields);
  return { status: 201, body: { id: record.id, success: true, errors: [] } };
}

function byId(world, name, id) {
  return objectOf(world, name)?.table.get(id) ?? null;
}

// PATCH sobjects/OBJECT/ID
export function updateOne(call, world, [name, id]) {
  const record = byId(world, name, id);
  if (!record) return noObject();
  const object = objectOf(world, name);
  const { attributes, ...fields } = call.json;
  const error = checkFields(object, fields, record) ?? takenBy(object, fields, record);
  if (error) return refuseSingle(world, error);
  object.table.update(record, fields);
  return { status: 204 };
}

// DELETE sobjects/OBJECT/ID
export function removeOne(call, world, [name, id]) {
  const record = byId(world, name, id);
  if (!record) return noObject();
  objectOf(world, name).table.remove(record);
  return { status: 204 };
}

// POST sobjects/EVENT__e: it is enqueued, which the answer calls an error that is none.
export function publish(call, world, [name]) {
  const object = objectOf(world, name);
  if (!object?.event) return noObject();
  const { attributes, ...fields } = call.json;
  const error = checkFields(object, fields, null);
  if (error) return refuseSingle(world, error);
  const record = object.table.insert(fields, { key: fields.Event_Id__c });
  const uuid = `00000000-0000-4000-8000-${String(record.seq).padStart(12, '0')}`;
  return {
    status: 201,
    body: { id: record.id, success: true, errors: [{ statusCode: 'OPERATION_ENQUEUED', message: uuid, fields: [] }] },
  };
}
