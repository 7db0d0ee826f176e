// people: users and organizations, which are made where there are none.
import { badRequest, FieldSet, invalid, onlyMembers, takeTags } from './fields.js';
import { stamp } from './tickets.js';

const KINDS = {
  user: {
    unique: ['external_id', 'email'],
    custom: 'user_fields',
    attributes: [
      'id',
      'name',
      'email',
      'external_id',
      'role',
      'tags',
      'notes',
      'details',
      'phone',
      'organization_id',
      'time_zone',
      'locale',
      'verified',
      'skip_verify_email',
      'user_fields',
    ],
    fold: ['email'],
  },
  organization: {
    unique: ['external_id', 'name'],
    custom: 'organization_fields',
    attributes: [
      'id',
      'name',
      'external_id',
      'tags',
      'notes',
      'details',
      'domain_names',
      'group_id',
      'shared_tickets',
      'organization_fields',
    ],
    fold: ['name'],
  },
};
const ROLES = ['end-user', 'agent', 'admin'];

export class People {
  // kind is "user" or "organization".
  constructor(kind, config, store) {
    this.kind = kind;
    this.config = config;
    this.rules = KINDS[kind];
    this.attributes = new Set(this.rules.attributes);
    this.table =
      store.table(kind) ??
      store.define(kind, {
        unique: this.rules.unique,
        fold: this.rules.fold,
        makeId: (n) => String(900_000 + n),
      });
    this.fields = new FieldSet(config[this.rules.custom], 'key');
    for (const one of config[`${this.kind}s`] ?? []) {
      if (!this.#match(one)) this.table.insert(this.#take(one), { key: one.external_id, action: 'seed' });
    }
  }

  // The record that is meant, or undefined; what points to two is refused.
  #match({ id, ...change }) {
    if (id !== undefined) return this.table.get(id);
    const found = new Set();
    for (const name of this.rules.unique) {
      const record =
        change[name] === undefined || change[name] === null ? undefined : this.table.find(name, change[name]);
      if (record) found.add(record);
    }
    if (found.size > 1) {
      const name = this.rules.unique[1];
      throw invalid(
        {
          [name]: [
            {
              description: `${name}: ${change[name]} is already being used`,
              error: 'DuplicateValue',
            },
          ],
        },
        'duplicate value',
      );
    }
    return [...found][0];
  }

  #takeOne(name, value) {
    if (name === 'tags') return takeTags(value, 'tags');
    if (name === 'role' && !ROLES.includes(value)) throw badRequest('role is invalid', 'wrong type');
    if (name === 'domain_names') {
      if (!Array.isArray(value)) throw badRequest('domain_names must be an array', 'wrong type');
      return value;
    }
    const flag = name === 'verified' || name === 'skip_verify_email' || name === 'shared_tickets';
    const fits = flag
      ? typeof value === 'boolean'
      : value === null ||
        typeof value === 'string' ||
        (/_id$/.test(name) && name !== 'external_id' && Number.isSafeInteger(value));
    if (!fits) {
      throw invalid(
        { [name]: [{ description: `${name}: is invalid`, error: 'InvalidValue' }] },
        'wrong type',
      );
    }
    if (name === 'email' && value !== null && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(value)) {
      throw invalid(
        {
          email: [{ description: `Email: ${value} is not properly formatted`, error: 'InvalidValue' }],
        },
        'bad e-mail',
      );
    }
    return value;
  }

  // What to keep of a change; custom fields lie beside the others, under their key.
  #take(change) {
    onlyMembers(change, this.attributes, this.kind);
    const kept = {};
    for (const [name, value] of Object.entries(change)) {
      if (name === this.rules.custom) {
        if (value === null || typeof value !== 'object')
          throw badRequest(`${name} must be an object`, 'malformed');
        for (const [key, one] of Object.entries(value)) {
          const taken = this.fields.take(key, one, this.config.unknown_fields);
          if (taken !== undefined) kept[key] = taken;
        }
      } else if (name !== 'id') kept[name] = this.#takeOne(name, value);
    }
    return kept;
  }

  // { record, created }; throws what Zendesk answers.
  upsert(change) {
    const kept = this.#take(change);
    const record = this.#match(change);
    if (record) return { record: this.table.update(record, kept), created: false };
    if (typeof kept.name !== 'string' || kept.name.trim() === '') {
      throw invalid(
        { name: [{ description: 'Name: cannot be blank', error: 'BlankValue' }] },
        'name missing',
      );
    }
    if (this.rules.unique.every((name) => !kept[name])) {
      throw badRequest(`${this.kind} needs ${this.rules.unique.join(' or ')}`, 'nothing to match by');
    }
    const made = this.table.insert(
      { tags: [], ...kept },
      { key: kept.external_id ?? kept.email ?? kept.name },
    );
    return { record: made, created: true };
  }

  // By id, or by external_id.
  find(name, value) {
    return name === 'ids' ? this.table.get(value) : this.table.find('external_id', value);
  }

  // As the API shows it.
  show(record, base) {
    const custom = Object.fromEntries(
      [...this.fields].map((field) => [field.key, record.fields[field.key] ?? null]),
    );
    const own = Object.fromEntries(
      Object.entries(record.fields).filter(([name]) => this.attributes.has(name)),
    );
    return {
      url: `${base}/api/v2/${this.kind}s/${record.id}.json`,
      id: Number(record.id),
      external_id: null,
      tags: [],
      ...own,
      [this.rules.custom]: custom,
      created_at: stamp(record.created),
      updated_at: stamp(record.modified),
    };
  }
}
