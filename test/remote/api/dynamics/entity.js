// entity: a table as Dataverse has them: typed columns, alternate keys, row versions.
import crypto from 'node:crypto';

import { isObject } from '../../lib/call.js';
import { BadQuery, isGuid } from './odata.js';

// What a request is turned down with: { error: { code, message } } and a status.
export class Refused extends Error {
  constructor(status, code, message, reason) {
    super(message);
    this.status = status;
    this.body = { error: { code, message } };
    this.reason = reason;
  }
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,7})?)?(Z|[+-]\d{2}:\d{2})$/;

function isInt(value, bits) {
  return Number.isInteger(value) && Math.abs(value) < 2 ** (bits - 1);
}

// Type -> what OData calls it, and what fits it.
const TYPES = {
  String: ['Edm.String', (value) => typeof value === 'string'],
  Memo: ['Edm.String', (value) => typeof value === 'string'],
  Integer: ['Edm.Int32', (value) => isInt(value, 32)],
  BigInt: ['Edm.Int64', (value) => Number.isSafeInteger(value)],
  Picklist: ['Edm.Int32', (value) => isInt(value, 32)],
  Decimal: ['Edm.Decimal', (value) => Number.isFinite(value)],
  Double: ['Edm.Double', (value) => Number.isFinite(value)],
  Money: ['Edm.Decimal', (value) => Number.isFinite(value)],
  Boolean: ['Edm.Boolean', (value) => typeof value === 'boolean'],
  DateTime: [
    'Edm.DateTimeOffset',
    (value) => typeof value === 'string' && TIME.test(value) && !Number.isNaN(Date.parse(value)),
  ],
  DateOnly: ['Edm.Date', (value) => typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value)],
  Uniqueidentifier: ['Edm.Guid', (value) => typeof value === 'string' && isGuid(value)],
};
const DEFAULT_MAX = { String: 100, Memo: 2000 };
const OWN = { createdon: 'DateTime', modifiedon: 'DateTime', versionnumber: 'BigInt' };

function payloadError(set, message) {
  const text = `Error identified in Payload provided by the user for Entity :'${set}', InnerException : ${message}`;
  return new Refused(400, '0x80048d19', text, 'wrong type');
}

export class Entity {
  // definition: { name, set, id, columns: {name: {type, max, min, options}}, keys: [[column]], required: [] }
  constructor(definition, store, fold) {
    Object.assign(this, { required: [], keys: [], ...definition });
    this.set ??= `${this.name}s`;
    this.id ??= `${this.name}id`;
    this.fold = fold;
    for (const [column, { type }] of Object.entries(this.columns)) {
      if (!TYPES[type]) throw new Error(`dynamics: column ${column} has no type "${type}"`);
    }
    for (const column of this.keys.flat()) {
      if (!this.columns[column])
        throw new Error(`dynamics: key column ${column} of ${this.name} is not defined`);
    }
    this.table = store.table(this.name) ?? store.define(this.name, { makeId: () => crypto.randomUUID() });
    this.indexes = this.keys.map(() => new Map());
    this.values = new Map(this.keys.flat().map((column) => [column, new Map()])); // column -> value -> rows
    for (const record of this.table.byId.values()) this.#index(record);
  }

  get type() {
    return `Microsoft.Dynamics.CRM.${this.name}`;
  }

  #keyText(columns, get) {
    const values = columns.map(get);
    if (values.some((value) => value === undefined || value === null)) return null;
    return JSON.stringify(
      values.map((value) => (this.fold && typeof value === 'string' ? value.toLowerCase() : value)),
    );
  }

  #index(record) {
    this.keys.forEach((columns, i) => {
      const text = this.#keyText(columns, (column) => record.fields[column]);
      if (text !== null) this.indexes[i].set(text, record);
    });
    for (const [column, rows] of this.values) {
      const value = sought(record.fields[column]);
      if (!rows.has(value)) rows.set(value, new Set());
      rows.get(value).add(record);
    }
  }

  #unindex(record) {
    this.keys.forEach((columns, i) => {
      const text = this.#keyText(columns, (column) => record.fields[column]);
      if (text !== null && this.indexes[i].get(text) === record) this.indexes[i].delete(text);
    });
    for (const [column, rows] of this.values) rows.get(sought(record.fields[column])).delete(record);
  }

  // The records that a filter passes; those that have one of the values it wants of a key's column are
  // found without looking at the others.
  *filtered(test) {
    const rows = test.among && this.values.get(test.among.column);
    const records = rows
      ? new Set(test.among.values.flatMap((value) => [...(rows.get(sought(value)) ?? [])]))
      : this.table.byId.values();
    for (const record of records) if (test(this.row(record))) yield record;
  }

  // By { id } or { keys }: the record or undefined. Throws where the columns are no alternate key.
  find({ id, keys }) {
    if (id !== undefined) return this.table.get(id);
    const i = this.keys.findIndex(
      (columns) => columns.length === keys.size && columns.every((column) => keys.has(column)),
    );
    if (i < 0) {
      throw new Refused(
        400,
        '0x80060890',
        'Invalid EntityKey Operation performed : Entity does not contain an active key' +
          ` with the columns ${[...keys.keys()].join(', ')}`,
        'no such key',
      );
    }
    for (const [column, value] of keys) this.#checkValue(column, value);
    return this.indexes[i].get(this.#keyText(this.keys[i], (column) => keys.get(column)));
  }

  hasColumn(name) {
    return Object.hasOwn(this.columns, name) || name === this.id || Object.hasOwn(OWN, name);
  }

  checkColumn(name) {
    if (this.hasColumn(name)) return;
    throw new Refused(
      400,
      '0x80060888',
      `Could not find a property named '${name}' on type '${this.type}'.`,
      'unknown column',
    );
  }

  #checkValue(name, value) {
    const column = this.columns[name];
    const [edm, fits] = TYPES[column.type];
    if (!fits(value)) {
      throw payloadError(
        this.set,
        `Microsoft.OData.ODataException: Cannot convert the literal '${value}' to the expected type '${edm}'.`,
      );
    }
    if (column.type === 'Picklist' && !(column.options ?? []).includes(value)) {
      throw new Refused(
        400,
        '0x8004431A',
        `A validation error occurred. The value ${value} of '${name}' on record of type '${this.name}'` +
          ` is outside the valid range. Accepted Values: ${(column.options ?? []).join(',')}`,
        'value not in choice',
      );
    }
    const max = column.max ?? DEFAULT_MAX[column.type];
    if (typeof value === 'string' && max !== undefined && value.length > max) {
      throw new Refused(
        400,
        '0x80044331',
        `A validation error occurred. The length of the '${name}' attribute of the '${this.name}'` +
          ` entity exceeded the maximum allowed length of '${max}'.`,
        'value too long',
      );
    }
    if (
      typeof value === 'number' &&
      ((column.max !== undefined && value > column.max) || (column.min !== undefined && value < column.min))
    ) {
      throw new Refused(
        400,
        '0x80044330',
        `A validation error occurred. The value of '${name}' on record of type '${this.name}'` +
          ' is outside the valid range.',
        'value out of range',
      );
    }
  }

  // What a body may hold; keys are the columns that name the record in the URL.
  checkBody(body, keys) {
    if (!isObject(body))
      throw new Refused(400, '0x80048d19', 'The request body is not a valid JSON object.', 'malformed');
    for (const [name, value] of Object.entries(body)) {
      if (keys?.has(name)) {
        throw new Refused(
          400,
          '0x80060888',
          `The key column '${name}' stands in the URL and cannot be in the body.`,
          'key column in body',
        );
      }
      if (!Object.hasOwn(this.columns, name)) {
        throw new Refused(
          400,
          '0x80060888',
          `Invalid property '${name}' was found in entity '${this.type}'.`,
          'unknown column',
        );
      }
      if (value === null && this.required.includes(name)) {
        throw new Refused(
          400,
          '0x80040203',
          `The required column '${name}' cannot be cleared.`,
          'required column missing',
        );
      }
      if (value !== null) this.#checkValue(name, value);
    }
  }

  #checkUnique(fields, self) {
    this.keys.forEach((columns, i) => {
      const text = this.#keyText(columns, (column) => fields[column]);
      const other = text === null ? undefined : this.indexes[i].get(text);
      if (other && other !== self) {
        throw new Refused(
          412,
          '0x80060892',
          'Entity Key violated. A record with the same value for' +
            ` ${columns.join(', ')} already exists. A duplicate record cannot be created.`,
          'duplicate key',
        );
      }
    });
  }

  // dry: only look whether it could be done.
  create(fields, { id, dry } = {}) {
    const missing = this.required.find((name) => (fields[name] ?? null) === null);
    if (missing)
      throw new Refused(
        400,
        '0x80040203',
        `The required column '${missing}' is missing.`,
        'required column missing',
      );
    this.#checkUnique(fields);
    if (dry) return null;
    const record = this.table.insert(fields, { id: id ?? undefined, key: this.#keyOf(fields) });
    record.version = 1;
    this.#index(record);
    return record;
  }

  update(record, fields, { dry } = {}) {
    this.#checkUnique({ ...record.fields, ...fields }, record);
    if (dry) return;
    this.#unindex(record);
    this.table.update(record, fields);
    this.#index(record);
    record.version += 1;
  }

  remove(record) {
    this.#unindex(record);
    this.table.remove(record);
  }

  #keyOf(fields) {
    return this.keys[0]?.map((column) => fields[column]).join('/');
  }

  // Is there a row with the same key already?
  holds(fields) {
    return this.keys.some((columns, i) => {
      const text = this.#keyText(columns, (column) => fields[column]);
      return text !== null && this.indexes[i].has(text);
    });
  }

  // A row as a query sees it.
  row(record) {
    const row = Object.fromEntries(
      Object.keys(this.columns).map((name) => [name, record.fields[name] ?? null]),
    );
    return {
      ...row,
      [this.id]: record.id,
      createdon: iso(record.created),
      modifiedon: iso(record.modified),
      versionnumber: record.version,
    };
  }

  // As the API shows it; select is a list of columns or null for all.
  show(record, select) {
    const row = this.row(record);
    const shown = select ? Object.fromEntries(select.map((name) => [name, row[name]])) : row;
    return { '@odata.etag': etag(record), ...shown, [this.id]: record.id };
  }
}

// Whatever the case.
function sought(value) {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

export function etag(record) {
  return `W/"${record.version}"`;
}

function iso(ms) {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

export function asRefused(error) {
  if (error instanceof BadQuery) return new Refused(400, '0x80060888', error.message, 'query syntax');
  return error;
}
