// schema: objects and their fields, and what a field takes. A field:
//   type       string, textarea, url, email, phone, picklist, multipicklist, double, int, currency,
//              percent, boolean, date, datetime, reference
//   length     of texts; 255 when missing
//   values     of picklists; restricted false lets others in
//   required, externalId, unique, caseSensitive
//   readonly   set by Salesforce alone
import { isObject } from '../../lib/call.js';
import { rowError } from './errors.js';

const TEXTS = new Set(['string', 'textarea', 'url', 'email', 'phone', 'picklist', 'multipicklist', 'reference']);
const NUMBERS = new Set(['double', 'int', 'currency', 'percent']);
const TYPES = new Set([...TEXTS, ...NUMBERS, 'boolean', 'date', 'datetime', 'id']);
const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345';

const SYSTEM_FIELDS = {
  Id: { type: 'id', readonly: true },
  CreatedDate: { type: 'datetime', readonly: true },
  LastModifiedDate: { type: 'datetime', readonly: true },
  SystemModstamp: { type: 'datetime', readonly: true },
};

const SIGNAL_FIELDS = {
  Ticket_Key__c: { type: 'string', length: 255, externalId: true, unique: true },
  Account_Key__c: { type: 'string', length: 255 },
  Sentiment__c: { type: 'picklist', values: ['very_negative', 'negative', 'neutral', 'positive', 'very_positive', 'mixed', 'unknown'] },
  Churn_Risk__c: { type: 'picklist', values: ['None', 'Low', 'Medium', 'High', 'Unknown'] },
  Driver__c: { type: 'string', length: 255 },
  Effort__c: { type: 'double' },
  Confidence__c: { type: 'double' },
  Version__c: { type: 'double' },
  Occurred_At__c: { type: 'datetime' },
  Evidence__c: { type: 'url', length: 255 },
  Details__c: { type: 'textarea', length: 32768 },
  Open__c: { type: 'boolean' },
  Source__c: { type: 'string', length: 80 },
  Event_Id__c: { type: 'string', length: 255 },
};

export const DEFAULT_OBJECTS = {
  CX_Signal__c: { fields: SIGNAL_FIELDS },
  CX_Signal__e: { event: true, fields: { ...SIGNAL_FIELDS, Ticket_Key__c: { type: 'string', length: 255 } } },
  Account: {
    fields: {
      Name: { type: 'string', length: 255, required: true },
      Account_Key__c: { type: 'string', length: 255, externalId: true, unique: true },
      Churn_Risk__c: SIGNAL_FIELDS.Churn_Risk__c,
      Version__c: { type: 'double' },
    },
  },
};

// The 18 characters of an id of 15: three more tell which of them are upper case.
export function fullId(id) {
  let suffix = '';
  for (let group = 0; group < 3; group += 1) {
    let bits = 0;
    for (let i = 0; i < 5; i += 1) if (/[A-Z]/.test(id[group * 5 + i])) bits |= 1 << i;
    suffix += ID_ALPHABET[bits];
  }
  return id + suffix;
}

function checkField(object, name, field) {
  if (!isObject(field) || !TYPES.has(field.type)) {
    throw new Error(`objects.${object}.fields.${name}: no type is called "${field?.type}"`);
  }
}

// The tables of the store are made here, found by each field that is an external id.
export function compileObjects(objects, store) {
  const compiled = new Map();
  let prefix = 0;
  for (const [name, { event = false, fields }] of Object.entries(objects)) {
    Object.entries(fields).forEach(([field, spec]) => checkField(name, field, spec));
    const start = `a${String(prefix).padStart(2, '0')}`;
    prefix += 1;
    const keys = Object.keys(fields).filter((field) => fields[field].externalId || fields[field].unique);
    const table = store.define(name, {
      unique: keys,
      fold: keys.filter((field) => !fields[field].caseSensitive),
      makeId: (n) => fullId(start + n.toString(36).toUpperCase().padStart(12, '0')),
    });
    compiled.set(name, { name, event, table, keyPrefix: start, fields: new Map(Object.entries({ ...SYSTEM_FIELDS, ...fields })) });
  }
  return compiled;
}

const DATE = /^\d{4}-\d\d-\d\d$/;
const DATETIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/;

function rightType(field, value) {
  if (TEXTS.has(field.type)) return typeof value === 'string';
  if (NUMBERS.has(field.type)) return typeof value === 'number' && (field.type !== 'int' || Number.isInteger(value));
  if (field.type === 'boolean') return typeof value === 'boolean';
  const pattern = field.type === 'date' ? DATE : DATETIME;
  return typeof value === 'string' && pattern.test(value) && !Number.isNaN(Date.parse(value));
}

function checkText(name, field, value) {
  const length = field.length ?? 255;
  if (value.length > length) {
    return rowError('STRING_TOO_LONG', `${name}: data value too large: ${value.slice(0, 40)} (max length=${length})`, [name]);
  }
  if (field.type.endsWith('picklist') && field.values && field.restricted !== false) {
    const chosen = field.type === 'multipicklist' ? value.split(';') : [value];
    const bad = chosen.find((choice) => choice !== '' && !field.values.includes(choice));
    if (bad !== undefined) {
      return rowError('INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', `${name}: bad value for restricted picklist field: ${bad}`, [name]);
    }
  }
  if (field.type === 'email' && value !== '' && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value)) {
    return rowError('INVALID_EMAIL_ADDRESS', `${name}: invalid email address: ${value}`, [name]);
  }
  if (field.type === 'reference' && !/^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$/.test(value)) {
    return rowError('MALFORMED_ID', `${name}: id value of incorrect type: ${value}`, [name]);
  }
  return null;
}

// null, or the error of one field's value. whole: it is of those that may refuse the whole request.
export function checkValue(object, name, value) {
  const field = object.fields.get(name);
  if (!field) {
    return { ...rowError('INVALID_FIELD', `No such column '${name}' on sobject of type ${object.name}`), whole: 'unknown_field' };
  }
  if (field.readonly) {
    return rowError('INVALID_FIELD_FOR_INSERT_UPDATE', `Unable to create/update fields: ${name}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.`, [name]);
  }
  if (value === null) {
    if (field.required) return rowError('REQUIRED_FIELD_MISSING', `Required fields are missing: [${name}]`, [name]);
    if (field.type !== 'boolean') return null;
  }
  if (!rightType(field, value)) {
    return { ...rowError('INVALID_TYPE_ON_FIELD_IN_RECORD', `${name}: value not of required type: ${JSON.stringify(value)}`, [name]), whole: 'wrong_type' };
  }
  return TEXTS.has(field.type) ? checkText(name, field, value) : null;
}
