// fields: what a ticket, a user or an organization may hold, and of which type. Zendesk drops
// what it does not know; here it is refused, so that a test sees it.
import { isObject } from '../../lib/call.js';

// A request that is turned down: its status, its body, and the word it is counted by.
export class Refused extends Error {
  constructor(status, body, reason) {
    super(reason);
    this.status = status;
    this.body = body;
    this.reason = reason;
  }
}

// details: what is wrong of which attribute, [{ description, error, ... }] each.
export function invalid(details, reason) {
  const body = { error: 'RecordInvalid', description: 'Record validation errors', details };
  return new Refused(422, body, reason);
}

export function notFound() {
  return new Refused(404, { error: 'RecordNotFound', description: 'Not found' }, 'not found');
}

export function badRequest(message, reason) {
  return new Refused(400, { error: { title: 'Invalid attribute', message } }, reason);
}

// Zendesk's names of the types, as errors have them.
const TYPE_NAMES = {
  tagger: 'FieldTagger',
  multiselect: 'FieldMultiselect',
  dropdown: 'FieldTagger',
  text: 'FieldText',
  textarea: 'FieldTextarea',
  integer: 'FieldInteger',
  decimal: 'FieldDecimal',
  checkbox: 'FieldCheckbox',
  date: 'FieldDate',
  regexp: 'FieldRegexp',
};
const MAX_TEXT = 65_536;

export function isDay(text) {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

// Does a value that is no null fit the type?
const FITS = {
  text: (value) => typeof value === 'string' && value.length <= MAX_TEXT,
  textarea: (value) => typeof value === 'string' && value.length <= MAX_TEXT,
  integer: (value) =>
    Number.isSafeInteger(value) || (typeof value === 'string' && /^-?\d{1,15}$/.test(value)),
  decimal: (value) => Number.isFinite(value) || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)),
  checkbox: (value) => typeof value === 'boolean',
  date: (value) => typeof value === 'string' && isDay(value),
  regexp: (value, field) => typeof value === 'string' && new RegExp(field.pattern).test(value),
  tagger: (value, field) => field.options.includes(value),
  dropdown: (value, field) => field.options.includes(value),
  multiselect: (value, field) => Array.isArray(value) && value.every((tag) => field.options.includes(tag)),
};

// What it is kept as: numbers come back as text, and "" is none.
function kept(value, type) {
  if (value === null || value === '') return type === 'checkbox' ? false : null;
  return type === 'integer' || type === 'decimal' ? String(value) : value;
}

// The fields of one kind of record, as configured: [{ id or key, title, type, options, pattern, tag }].
export class FieldSet {
  constructor(list, name) {
    this.name = name;
    this.byKey = new Map();
    for (const field of list ?? []) {
      if (!FITS[field.type]) throw new Error(`zendesk: no type of field is called "${field.type}"`);
      const options = (field.options ?? []).map((option) =>
        typeof option === 'string' ? option : option.value,
      );
      this.byKey.set(String(field[name]), { title: String(field[name]), ...field, options });
    }
  }

  // What to keep of a value; throws what Zendesk answers where it is refused.
  take(key, value, unknown) {
    const field = this.byKey.get(String(key));
    if (!field) {
      if (unknown === 'ignore') return undefined;
      throw invalid(
        {
          base: [
            {
              description: `${key}: is not a field`,
              error: 'InvalidValue',
              [`field_${this.name}`]: key,
            },
          ],
        },
        'unknown field',
      );
    }
    if (value === null || value === '' || FITS[field.type](value, field)) return kept(value, field.type);
    const detail = { description: `${field.title}: is invalid`, error: 'InvalidValue' };
    if (this.name === 'id')
      Object.assign(detail, { ticket_field_id: field.id, ticket_field_type: TYPE_NAMES[field.type] });
    throw invalid({ base: [detail] }, 'wrong type');
  }

  get(key) {
    return this.byKey.get(String(key));
  }

  *[Symbol.iterator]() {
    yield* this.byKey.values();
  }
}

// Tags as Zendesk keeps them: lower-case, sorted, each once; a blank separates two.
export function takeTags(value, name) {
  const list = typeof value === 'string' ? value.split(/[\s,]+/).filter((tag) => tag !== '') : value;
  if (!Array.isArray(list) || list.some((tag) => typeof tag !== 'string' || tag === '')) {
    throw badRequest(`${name} must be an array of strings`, 'wrong type');
  }
  const bad = list.find((tag) => /[\s,"'!@#$%^&*()+=[\]{};<>?|\\~`]/.test(tag) || tag.length > 255);
  if (bad !== undefined) {
    throw invalid({ tags: [{ description: `Tags: ${bad} is invalid`, error: 'InvalidValue' }] }, 'bad tag');
  }
  return [...new Set(list.map((tag) => tag.toLowerCase()))].sort();
}

// Throws where an object has other members than these.
export function onlyMembers(object, allowed, what) {
  if (!isObject(object)) throw badRequest(`${what} must be an object`, 'malformed');
  for (const key of Object.keys(object)) {
    if (!allowed.has(key)) throw badRequest(`${what} has no attribute ${key}`, 'unknown attribute');
  }
}
