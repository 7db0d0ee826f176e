// schema: object types and their properties, and what a property takes. A property:
//   type       string, number, bool, enumeration, date, datetime, phone_number
//   options    of an enumeration; multiple: several of them, joined by ;
//   hasUniqueValue   may be an idProperty
//   readOnly   set by HubSpot alone
import { isObject } from '../../lib/call.js';
import { invalidInput, invalidProperty } from './errors.js';

const TYPES = new Set(['string', 'number', 'bool', 'enumeration', 'date', 'datetime', 'phone_number']);
const MAX_LENGTH = 65536;

const SYSTEM = {
  hs_object_id: { type: 'number', readOnly: true },
  createdate: { type: 'datetime' },
  hs_lastmodifieddate: { type: 'datetime', readOnly: true },
};

const SIGNAL = {
  cxsig_ticket_key: { type: 'string', hasUniqueValue: true },
  cxsig_account_key: { type: 'string' },
  cxsig_sentiment: { type: 'enumeration', options: ['very_negative', 'negative', 'neutral', 'positive', 'very_positive', 'mixed', 'unknown'] },
  cxsig_churn_risk: { type: 'enumeration', options: ['none', 'low', 'medium', 'high', 'unknown'] },
  cxsig_tags: { type: 'enumeration', multiple: true, options: ['billing', 'login', 'shipping', 'refund', 'bug'] },
  cxsig_driver: { type: 'string' },
  cxsig_effort: { type: 'number' },
  cxsig_confidence: { type: 'number' },
  cxsig_version: { type: 'number' },
  cxsig_open: { type: 'bool' },
  cxsig_occurred_at: { type: 'datetime' },
  cxsig_evidence_url: { type: 'string' },
  cxsig_event_id: { type: 'string' },
  cxsig_source: { type: 'string' },
};

export const DEFAULT_OBJECTS = {
  tickets: { properties: { subject: { type: 'string' }, content: { type: 'string' }, hs_pipeline_stage: { type: 'string' }, ...SIGNAL } },
  contacts: { properties: { email: { type: 'string', hasUniqueValue: true }, firstname: { type: 'string' }, ...SIGNAL } },
  companies: { properties: { name: { type: 'string' }, domain: { type: 'string' }, cxsig_company_key: { type: 'string', hasUniqueValue: true }, ...SIGNAL } },
};

// The tables of the store are made here, found by each property with unique values.
export function compileObjects(objects, store) {
  const compiled = new Map();
  let start = 0;
  for (const [name, { properties }] of Object.entries(objects)) {
    for (const [property, spec] of Object.entries(properties)) {
      if (!isObject(spec) || !TYPES.has(spec.type)) {
        throw new Error(`objects.${name}.properties.${property}: no type is called "${spec?.type}"`);
      }
    }
    start += 1_000_000_000;
    const base = start;
    const unique = Object.keys(properties).filter((property) => properties[property].hasUniqueValue);
    const table = store.define(name, { unique, fold: unique, makeId: (n) => String(base + n) });
    compiled.set(name, { name, table, properties: new Map(Object.entries({ ...SYSTEM, ...properties })) });
  }
  return compiled;
}

function badOption(spec, value) {
  const chosen = spec.multiple ? value.replace(/^;/, '').split(';') : [value];
  return chosen.find((option) => !spec.options.includes(option));
}

function isTime(value) {
  return /^-?\d{1,16}$/.test(value) || (/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d))?$/.test(value) && !Number.isNaN(Date.parse(value)));
}

function checkType(name, spec, value) {
  switch (spec.type) {
    case 'number':
      return /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(value) ? null : invalidProperty('INVALID_DOUBLE', name, `${value} was not a valid number.`);
    case 'bool':
      return /^(true|false)$/.test(value) ? null : invalidProperty('INVALID_BOOLEAN', name, `${value} was not a valid boolean.`);
    case 'date':
    case 'datetime':
      return isTime(value) ? null : invalidProperty('INVALID_DATE', name, `${value} was not a valid date.`);
    case 'enumeration': {
      const bad = badOption(spec, value);
      return bad === undefined ? null : invalidProperty('INVALID_OPTION', name, `${bad} was not one of the allowed options: [${spec.options.join(', ')}]`);
    }
    default:
      return value.length <= MAX_LENGTH ? null : invalidProperty('PROPERTY_VALUE_TOO_LONG', name, `The value of ${name} is too long.`);
  }
}

// null, or what is wrong with the first bad property. A value is a text; "" clears.
export function checkProperties(object, properties) {
  if (!isObject(properties)) return { ...invalidInput('Invalid input JSON: properties is required'), malformed: true };
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value !== 'string') {
      return { ...invalidInput(`Invalid input JSON: the value of ${name} is not a string: ${JSON.stringify(value)}`, 'NOT_A_STRING'), malformed: true };
    }
    const spec = object.properties.get(name);
    if (!spec) return invalidProperty('PROPERTY_DOESNT_EXIST', name, `Property "${name}" does not exist`);
    if (spec.readOnly) return invalidProperty('READ_ONLY_VALUE', name, `"${name}" is a read only property; its value cannot be set.`);
    const error = value === '' ? null : checkType(name, spec, value);
    if (error) return error;
  }
  return null;
}

// Another record that has the value of a property whose values are unique.
export function takenBy(object, properties, existing) {
  for (const name of object.table.unique) {
    const value = properties[name];
    if (value === undefined || value === '') continue;
    const other = object.table.find(name, value);
    if (other && other !== existing) {
      return {
        ...invalidProperty('CONFLICTING_UNIQUE_VALUE', name, `${other.id} already has that value.`),
      };
    }
  }
  return null;
}

// The record that an id means: by a property with unique values, or HubSpot's own id.
// { error } where there cannot be one by that property.
export function lookup(object, idProperty, id) {
  if (idProperty === undefined || idProperty === null || idProperty === 'hs_object_id') return { record: object.table.get(id) };
  if (!object.table.indexes.has(idProperty)) {
    const known = object.properties.has(idProperty);
    return { error: invalidInput(known ? `The property ${idProperty} is not a unique identifier property` : `idProperty ${idProperty} does not exist`, 'BAD_ID_PROPERTY') };
  }
  return { record: object.table.find(idProperty, id) };
}

// A record as HubSpot shows it, with those of its properties that are asked for and set.
export function shown(record, names) {
  const modified = new Date(record.modified).toISOString();
  const all = {
    createdate: new Date(record.created).toISOString(),
    ...record.fields,
    hs_lastmodifieddate: modified,
    hs_object_id: record.id,
  };
  const wanted = names ? [...new Set([...names, ...Object.keys(SYSTEM)])] : Object.keys(all);
  const properties = Object.fromEntries(wanted.map((name) => [name, all[name] === '' ? null : all[name] ?? null]));
  return { id: record.id, properties, createdAt: new Date(record.created).toISOString(), updatedAt: modified, archived: false };
}
