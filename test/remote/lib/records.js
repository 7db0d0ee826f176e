// records: what a remote holds, and every write that led to it. Tables find a record by its own id and
// by each unique field; the journal keeps the writes of all tables in the order they were applied.

// The writes, as columns: entry i of each list is write number i + 1.
export class Journal {
  constructor(counters) {
    this.counters = counters;
    this.times = [];
    this.records = [];
    this.actions = [];
    this.fields = [];
  }

  get length() {
    return this.times.length;
  }

  push(record, action, fields) {
    this.times.push(Date.now());
    this.records.push(record);
    this.actions.push(action);
    this.fields.push(fields);
    record.writes += 1;
    this.counters.wrote(action);
    return this.times.length;
  }

  entry(i) {
    const record = this.records[i];
    return {
      seq: i + 1,
      at: new Date(this.times[i]).toISOString(),
      object: record.table.name,
      id: record.id,
      key: record.key,
      action: this.actions[i],
      fields: this.fields[i],
    };
  }
}

export class Table {
  // unique: names of fields that find a record; fold: those that do so whatever the case;
  // makeId(n): the id of the nth record.
  constructor(name, journal, { unique = [], fold = [], makeId = String } = {}) {
    this.name = name;
    this.journal = journal;
    this.unique = unique;
    this.makeId = makeId;
    this.made = 0;
    this.byId = new Map();
    this.fold = new Set(fold);
    this.indexes = new Map(unique.map((field) => [field, new Map()]));
  }

  #indexKey(field, value) {
    return this.fold.has(field) ? String(value).toLowerCase() : String(value);
  }

  get(id) {
    return this.byId.get(String(id));
  }

  find(field, value) {
    return this.indexes.get(field)?.get(this.#indexKey(field, value));
  }

  // key is what the record is known by outside, for reports; its first unique field when missing.
  insert(fields, { id, key, action = 'create' } = {}) {
    this.made += 1;
    const now = Date.now();
    const record = {
      table: this,
      id: id === undefined ? this.makeId(this.made) : String(id),
      key: key ?? fields[this.unique[0]],
      fields: { ...fields },
      created: now,
      modified: now,
      writes: 0,
      seq: 0,
    };
    this.byId.set(record.id, record);
    this.#index(record, fields);
    record.seq = this.journal.push(record, action, fields);
    return record;
  }

  // Fields that are not named stay. The journal has what was written, not what came of it.
  update(record, fields, { action = 'update' } = {}) {
    for (const field of this.unique) {
      if (field in fields && fields[field] !== record.fields[field]) {
        this.indexes.get(field).delete(this.#indexKey(field, record.fields[field]));
      }
    }
    Object.assign(record.fields, fields);
    this.#index(record, fields);
    record.modified = Date.now();
    record.seq = this.journal.push(record, action, fields);
    return record;
  }

  remove(record) {
    for (const field of this.unique) this.indexes.get(field).delete(this.#indexKey(field, record.fields[field]));
    this.byId.delete(record.id);
    record.seq = this.journal.push(record, 'delete', {});
  }

  // Takes over a record of the table that this one replaces.
  adopt(record) {
    this.byId.set(record.id, record);
    this.#index(record, record.fields);
  }

  #index(record, fields) {
    for (const field of this.unique) {
      const value = fields[field];
      if (value !== undefined && value !== null && value !== '') {
        this.indexes.get(field).set(this.#indexKey(field, value), record);
      }
    }
  }
}

export class Store {
  constructor(counters) {
    this.journal = new Journal(counters);
    this.tables = new Map();
  }

  // Makes a table, or lets the one there is be found by more fields.
  define(name, options) {
    const old = this.tables.get(name);
    const table = new Table(name, this.journal, options);
    if (old) {
      table.made = old.made;
      for (const record of old.byId.values()) {
        record.table = table;
        table.adopt(record);
      }
    }
    this.tables.set(name, table);
    return table;
  }

  table(name) {
    return this.tables.get(name);
  }

  *records(object) {
    for (const table of this.tables.values()) {
      if (object === undefined || object === null || table.name === object) yield* table.byId.values();
    }
  }
}
