// upsert: a batch, as a whole or, where it may be so, row by row.
import { isObject } from '../../lib/call.js';
import { asRequest, asRow, failed } from './errors.js';
import { checkProperties, lookup, shown, takenBy } from './schema.js';

const INPUT_KEYS = new Set(['id', 'idProperty', 'objectWriteTraceId', 'properties']);

function malformedInput(input) {
  if (!isObject(input)) return 'an input is not an object';
  const extra = Object.keys(input).find((key) => !INPUT_KEYS.has(key));
  if (extra !== undefined) return `Unrecognized field "${extra}"`;
  if (typeof input.id !== 'string' || input.id === '') return 'id is required to be a string';
  for (const key of ['idProperty', 'objectWriteTraceId']) {
    if (input[key] !== undefined && typeof input[key] !== 'string') return `${key} is not a string`;
  }
  return null;
}

// What stands against the batch as such, or null.
function badBatch(world, object, body) {
  const invalid = (message) => failed(400, 'VALIDATION_ERROR', `Invalid input JSON: ${message}`);
  const { inputs } = body;
  const extra = Object.keys(body).find((key) => key !== 'inputs');
  if (extra !== undefined) return invalid(`Unrecognized field "${extra}"`);
  if (!Array.isArray(inputs) || inputs.length === 0) return invalid('Some required fields were not set: [inputs]');
  const max = world.config.max_inputs;
  if (inputs.length > max) return failed(400, 'VALIDATION_ERROR', `The maximum number of inputs supported in a batch is ${max}, received ${inputs.length}.`);
  for (const input of inputs) {
    const wrong = malformedInput(input);
    if (wrong) return invalid(wrong);
  }
  const property = inputs[0].idProperty;
  if (inputs.some((input) => input.idProperty !== property)) return failed(400, 'VALIDATION_ERROR', 'All inputs must have the same idProperty');
  if (property === undefined) return failed(400, 'VALIDATION_ERROR', 'idProperty is required for an upsert');
  const { error } = lookup(object, property, '');
  return error ? asRequest(error) : null;
}

// The batch with each id once, or the answer that one is there twice.
function once(world, inputs) {
  const byId = new Map();
  const twice = new Set();
  for (const input of inputs) {
    const id = input.id.toLowerCase();
    if (byId.has(id)) twice.add(input.id);
    byId.set(id, input);
  }
  if (twice.size > 0 && world.config.duplicates === 'refuse') {
    world.counters.refuse('duplicate id in a batch');
    return { refusal: failed(400, 'VALIDATION_ERROR', `Duplicate IDs found in batch input: [${[...twice].join(', ')}]. IDs must be unique`) };
  }
  return { inputs: [...byId.values()] };
}

function checkInput(call, world, object, input) {
  const fields = { [input.idProperty]: input.id, ...input.properties };
  const { record } = lookup(object, input.idProperty, input.id);
  const error = checkProperties(object, input.properties) ?? takenBy(object, fields, record);
  if (error) return { input, error };
  const fault = world.faults.drawRow(call, input.id);
  if (fault) {
    const category = fault.code ?? 'CONFLICT';
    return { input, error: { category, message: fault.message ?? 'The object was changed by another call.', code: category, httpStatus: fault.status ?? 409 } };
  }
  return { input, fields, record };
}

function apply(object, { input, fields, record }) {
  const written = record ? object.table.update(record, fields) : object.table.insert(fields);
  const result = { ...shown(written, Object.keys(fields)), new: !record };
  if (input.objectWriteTraceId !== undefined) result.objectWriteTraceId = input.objectWriteTraceId;
  return result;
}

function context(world, { idProperty, id, objectWriteTraceId }) {
  if (world.config.attribution === 'none') return {};
  if (world.config.attribution === 'ids' || objectWriteTraceId === undefined) return { ids: [id], idProperty: [idProperty] };
  return { objectWriteTraceId: [objectWriteTraceId] };
}

function allTraced(inputs) {
  const traces = new Set(inputs.map((input) => input.objectWriteTraceId));
  return !traces.has(undefined) && traces.size === inputs.length;
}

// Whether good rows are written beside bad ones.
function inParts(world, inputs) {
  const { multi_status: when } = world.config;
  return when === 'always' || (when === 'trace' && allTraced(inputs));
}

function shuffled(world, rows) {
  if (!world.config.shuffle) return rows;
  for (let i = rows.length - 1; i > 0; i -= 1) {
    const j = Math.floor(world.random() * (i + 1));
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows;
}

// POST batch/upsert
export function upsertMany(call, world, object) {
  const bad = badBatch(world, object, call.json);
  if (bad) return bad;
  const { inputs, refusal } = once(world, call.json.inputs);
  if (refusal) return refusal;

  const startedAt = new Date().toISOString();
  const rows = inputs.map((input) => checkInput(call, world, object, input));
  const failures = rows.filter((row) => row.error);
  failures.forEach(({ error }) => world.counters.refuseRecord(error.code));
  const whole = failures.find(({ error }) => error.malformed) ?? (inParts(world, inputs) ? undefined : failures[0]);
  if (whole) return asRequest(whole.error);

  // Two rows may want the same value of another unique property: the later one loses.
  const results = [];
  for (const row of rows) {
    if (row.error) continue;
    const error = takenBy(object, row.fields, row.record);
    if (error) {
      world.counters.refuseRecord(error.code);
      failures.push({ input: row.input, error });
    } else {
      results.push(apply(object, row));
    }
  }
  const body = { status: 'COMPLETE', results: shuffled(world, results), startedAt, completedAt: new Date().toISOString() };
  if (failures.length === 0) return { status: 200, body };
  const errors = failures.map(({ input, error }) => asRow(error, context(world, input)));
  return { status: 207, body: { ...body, numErrors: errors.length, errors } };
}
