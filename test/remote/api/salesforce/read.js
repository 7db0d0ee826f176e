// read: describing objects, reading a record, and the small part of SOQL that a read-back needs:
// SELECT fields FROM object [WHERE field = 'x' | field IN ('x', ...)] [ORDER BY field [DESC]] [LIMIT n]
import { failed } from './errors.js';

const DEFAULTS_OF_ORDER = 'CreatedDate';

function valueOf(record, name) {
  if (name === 'Id') return record.id;
  if (name === 'CreatedDate') return new Date(record.created).toISOString().replace('Z', '+0000');
  if (name === 'LastModifiedDate' || name === 'SystemModstamp') {
    return new Date(record.modified).toISOString().replace('Z', '+0000');
  }
  return record.fields[name] ?? null;
}

function shown(call, object, record, names) {
  const root = call.path.split('/').slice(0, 4).join('/');
  const row = { attributes: { type: object.name, url: `${root}/sobjects/${object.name}/${record.id}` } };
  for (const name of names) row[name] = valueOf(record, name);
  return row;
}

function describedField(name, field) {
  return {
    name,
    label: name.replace(/__c$/, '').replaceAll('_', ' '),
    type: field.type,
    length: field.length ?? (field.type === 'id' ? 18 : 255),
    externalId: field.externalId ?? false,
    idLookup: field.externalId ?? name === 'Id',
    unique: field.unique ?? false,
    caseSensitive: field.caseSensitive ?? false,
    createable: !field.readonly,
    updateable: !field.readonly,
    nillable: !field.required,
    defaultedOnCreate: field.type === 'boolean' || Boolean(field.readonly),
    restrictedPicklist: field.type === 'picklist' && field.restricted !== false,
    picklistValues: (field.values ?? []).map((value) => ({ value, label: value, active: true, defaultValue: false })),
  };
}

function summary(object) {
  return {
    name: object.name,
    label: object.name,
    keyPrefix: object.keyPrefix,
    custom: /__[ce]$/.test(object.name),
    createable: true,
    updateable: !object.event,
    queryable: !object.event,
    urls: {},
  };
}

// GET sobjects
export function describeGlobal(call, world) {
  const objects = [...world.model.objects.values()].map(summary);
  return { status: 200, body: { encoding: 'UTF-8', maxBatchSize: 200, sobjects: objects } };
}

// GET sobjects/OBJECT and sobjects/OBJECT/describe
export function describe(call, world, [name]) {
  const object = world.model.objects.get(name);
  if (!object) return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
  if (!call.path.replace(/\/$/, '').endsWith('/describe')) {
    return { status: 200, body: { objectDescribe: summary(object), recentItems: [] } };
  }
  const fields = [...object.fields].map(([field, spec]) => describedField(field, spec));
  return { status: 200, body: { ...summary(object), fields } };
}

// GET sobjects/OBJECT/ID and sobjects/OBJECT/FIELD/VALUE, with ?fields=
export function retrieve(call, world, [name, first, value]) {
  const object = world.model.objects.get(name);
  const missing = failed(404, 'NOT_FOUND', 'Provided external ID field does not exist or is not accessible: '.concat(first));
  if (!object || object.event) return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
  if (value !== undefined && !object.fields.get(first)?.externalId) return missing;
  const record = value === undefined ? object.table.get(first) : object.table.find(first, value);
  if (!record) return failed(404, 'NOT_FOUND', 'The requested resource does not exist');
  const names = call.query.get('fields')?.split(',') ?? [...object.fields.keys()];
  const unknown = names.find((field) => !object.fields.has(field));
  if (unknown !== undefined) return noColumn(object, unknown);
  return { status: 200, body: shown(call, object, record, names) };
}

function noColumn(object, name) {
  return failed(400, 'INVALID_FIELD', `No such column '${name}' on entity '${object.name}'`);
}

const STATEMENT = /^\s*SELECT\s+([\w\s,]+?)\s+FROM\s+(\w+)(?:\s+WHERE\s+(\w+)\s*(=|IN)\s*(.+?))?(?:\s+ORDER\s+BY\s+(\w+)(\s+DESC|\s+ASC)?)?(?:\s+LIMIT\s+(\d+))?\s*$/is;
const LITERAL = /^'((?:[^'\\]|\\.)*)'/s;
const NAMED = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

function unescaped(text) {
  return text.replace(/\\(.)/gs, (all, c) => NAMED[c] ?? c);
}

// The values of = 'x' or IN ('x', 'y'); null where they are malformed.
function literals(operator, text) {
  let rest = text.trim();
  if (operator === '=') {
    const match = LITERAL.exec(rest);
    return match && match[0].length === rest.length ? [unescaped(match[1])] : null;
  }
  if (!rest.startsWith('(') || !rest.endsWith(')')) return null;
  rest = rest.slice(1, -1).trim();
  const values = [];
  for (;;) {
    const match = LITERAL.exec(rest);
    if (!match) return null;
    values.push(unescaped(match[1]));
    rest = rest.slice(match[0].length).trim();
    if (rest === '') return values;
    if (!rest.startsWith(',')) return null;
    rest = rest.slice(1).trim();
  }
}

// Records whose field has one of the values, whatever their case, as SOQL compares texts.
function chosen(object, field, values) {
  if (field === undefined) return [...object.table.byId.values()];
  if (field === 'Id') return values.map((id) => object.table.get(id)).filter(Boolean);
  if (object.table.indexes.has(field)) {
    return [...new Set(values.map((value) => object.table.find(field, value)).filter(Boolean))];
  }
  const wanted = new Set(values.map((value) => value.toLowerCase()));
  return [...object.table.byId.values()].filter((record) => wanted.has(String(record.fields[field] ?? '').toLowerCase()));
}

// GET query?q=
export function query(call, world) {
  const text = call.query.get('q') ?? '';
  const match = STATEMENT.exec(text);
  if (!match) return failed(400, 'MALFORMED_QUERY', `unexpected token: ${text.slice(0, 60)}`);
  const [, list, name, field, operator, right, order = DEFAULTS_OF_ORDER, direction = '', limit] = match;
  const object = world.model.objects.get(name);
  if (!object || object.event) return failed(400, 'INVALID_TYPE', `sObject type '${name}' is not supported.`);
  const names = list.split(',').map((part) => part.trim());
  const unknown = [...names, ...(field ? [field] : []), order].find((column) => !object.fields.has(column));
  if (unknown !== undefined) return noColumn(object, unknown);
  const values = field === undefined ? [] : literals(operator.toUpperCase(), right);
  if (values === null) return failed(400, 'MALFORMED_QUERY', `unexpected token: ${right.slice(0, 60)}`);

  const sign = direction.trim().toUpperCase() === 'DESC' ? -1 : 1;
  const rank = (record) => valueOf(record, order) ?? '';
  const found = chosen(object, field, values)
    .sort((a, b) => (rank(a) < rank(b) ? -sign : Number(rank(a) > rank(b)) * sign))
    .slice(0, limit === undefined ? undefined : Number(limit));
  return { status: 200, body: { totalSize: found.length, done: true, records: found.map((record) => shown(call, object, record, names)) } };
}

// GET limits
export function limitsOf(call, world) {
  const { dailyMax, dailyRemaining } = world.limits;
  return { status: 200, body: { DailyApiRequests: { Max: dailyMax, Remaining: dailyRemaining } } };
}
