// single: one record read, made, changed or archived; and many read.
import { isObject } from '../../lib/call.js';
import { asRequest, asRow, failed } from './errors.js';
import { checkProperties, lookup, shown, takenBy } from './schema.js';

const NOT_FOUND = 'Object not found.  objectId are usually numeric.';

function refused(world, error) {
  world.counters.refuseRecord(error.code);
  return asRequest(error);
}

function notFound() {
  return failed(404, 'OBJECT_NOT_FOUND', NOT_FOUND);
}

// The record of a path, or { answer }.
function found(call, object, id) {
  const { record, error } = lookup(object, call.query.get('idProperty') ?? undefined, id);
  if (error) return { answer: asRequest(error) };
  return record ? { record } : { answer: notFound() };
}

// POST TYPE
export function create(call, world, object) {
  const { properties } = call.json;
  const error = checkProperties(object, properties) ?? takenBy(object, properties, null);
  if (error) return refused(world, error);
  return { status: 201, body: shown(object.table.insert(properties), Object.keys(properties)) };
}

// PATCH TYPE/ID: never creates
export function updateOne(call, world, object, id) {
  const { record, answer } = found(call, object, id);
  if (answer) return answer;
  const { properties } = call.json;
  const error = checkProperties(object, properties) ?? takenBy(object, properties, record);
  if (error) return refused(world, error);
  return { status: 200, body: shown(object.table.update(record, properties), Object.keys(properties)) };
}

// GET TYPE/ID; properties that do not exist are left out, as HubSpot does
export function readOne(call, world, object, id) {
  const { record, answer } = found(call, object, id);
  if (answer) return answer;
  const names = call.query.getAll('properties').flatMap((list) => list.split(','));
  return { status: 200, body: shown(record, names.filter((name) => object.properties.has(name))) };
}

// DELETE TYPE/ID
export function removeOne(call, world, object, id) {
  const record = object.table.get(id);
  if (record) object.table.remove(record);
  return { status: 204 };
}

// POST batch/read
export function readMany(call, world, object) {
  const { inputs, properties = [], idProperty } = call.json;
  const extra = Object.keys(call.json).find((key) => !['inputs', 'properties', 'propertiesWithHistory', 'idProperty'].includes(key));
  if (extra !== undefined || !Array.isArray(inputs) || inputs.length === 0 || !Array.isArray(properties)) {
    return failed(400, 'VALIDATION_ERROR', `Invalid input JSON: ${extra !== undefined ? `Unrecognized field "${extra}"` : 'inputs and properties are lists'}`);
  }
  if (inputs.length > world.config.max_inputs) {
    return failed(400, 'VALIDATION_ERROR', `The maximum number of inputs supported in a batch is ${world.config.max_inputs}, received ${inputs.length}.`);
  }
  if (inputs.some((input) => !isObject(input) || typeof input.id !== 'string')) {
    return failed(400, 'VALIDATION_ERROR', 'Invalid input JSON: id is required to be a string');
  }
  const names = properties.filter((name) => object.properties.has(name));
  const startedAt = new Date().toISOString();
  const results = [];
  const missing = [];
  for (const { id } of inputs) {
    const { record, error } = lookup(object, idProperty, id);
    if (error) return asRequest(error);
    if (record) results.push(shown(record, names));
    else missing.push(id);
  }
  const body = { status: 'COMPLETE', results, startedAt, completedAt: new Date().toISOString() };
  if (missing.length === 0) return { status: 200, body };
  const error = { category: 'OBJECT_NOT_FOUND', message: `Could not get some ${object.name} objects, they may be deleted or not exist. Check that ids are valid.` };
  return { status: 207, body: { ...body, numErrors: 1, errors: [asRow(error, { ids: missing })] } };
}
