// tickets: the tickets there are and what changes them. A ticket is kept with one field for each
// custom field, named by its id, beside tags, status and the like.
import { badRequest, invalid, notFound, onlyMembers, Refused, takeTags, FieldSet } from './fields.js';

const STATUSES = ['new', 'open', 'pending', 'hold', 'solved', 'closed'];
const PRIORITIES = ['urgent', 'high', 'normal', 'low', null];
const TYPES = ['problem', 'incident', 'question', 'task', null];
const SIMPLE = ['subject', 'status', 'priority', 'type', 'external_id'];
const ATTRIBUTES = new Set([
  ...SIMPLE,
  'tags',
  'custom_fields',
  'safe_update',
  'updated_stamp',
  'additional_tags',
  'remove_tags',
  'comment',
  'assignee_id',
  'group_id',
  'requester_id',
  'organization_id',
  'id',
]);

export function stamp(ms) {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function conflict() {
  return new Refused(
    409,
    {
      error: 'UpdateConflict',
      description: 'Safe Update prevented the update: the ticket has changed since.',
    },
    'update conflict',
  );
}

export class Tickets {
  constructor(config, store) {
    this.table = store.table('ticket') ?? store.define('ticket');
    this.config = config;
    this.fields = new FieldSet(config.ticket_fields, 'id');
    const { tickets } = config;
    if (Array.isArray(tickets)) tickets.forEach((ticket) => this.seed(ticket));
    else
      for (let id = tickets?.from ?? 1; id <= (tickets?.to ?? 0); id += 1) this.seed({ ...tickets.each, id });
  }

  // A ticket that a customer wrote; one that is there already stays as it is.
  seed({ id, custom_fields: values = [], tags = [], ...rest }) {
    if (this.table.get(id)) return;
    const fields = {
      status: 'open',
      subject: `Ticket ${id}`,
      priority: null,
      type: null,
      external_id: null,
      ...rest,
    };
    for (const field of this.fields) fields[field.id] = field.type === 'checkbox' ? false : null;
    const record = this.table.insert(
      { ...fields, tags: takeTags(tags, 'tags') },
      { id, key: String(id), action: 'seed' },
    );
    record.comments = [];
    record.updated = Date.now() - 60_000;
    if (values.length > 0) this.#write(record, this.#patch(record, { custom_fields: values }), 'seed');
  }

  find(id) {
    const record = /^\d+$/.test(id) ? this.table.get(id) : undefined;
    if (!record) throw notFound();
    return record;
  }

  // What is wrong with a change whatever the ticket it is for; form is 'single', 'bulk' or 'batch'.
  check(change, form) {
    onlyMembers(change, ATTRIBUTES, 'ticket');
    if ('id' in change && form !== 'batch')
      throw badRequest('ticket has no attribute id', 'unknown attribute');
    if (
      ('additional_tags' in change || 'remove_tags' in change) &&
      form !== 'bulk' &&
      (form === 'single' || this.config.batch_tags !== 'apply')
    ) {
      throw badRequest('additional_tags and remove_tags need the parameter ids', 'tags in the wrong form');
    }
    if ('safe_update' in change && typeof change.safe_update !== 'boolean') {
      throw badRequest('safe_update must be a boolean', 'wrong type');
    }
    if (change.safe_update && change.updated_stamp === undefined && form !== 'bulk') {
      throw badRequest('safe_update needs updated_stamp', 'safe update without stamp');
    }
    if (change.updated_stamp !== undefined && Number.isNaN(Date.parse(change.updated_stamp))) {
      throw badRequest('updated_stamp must be a time', 'wrong type');
    }
  }

  // Has the ticket changed since the stamp? The stamp has seconds, and so has the comparison.
  checkStamp(record, change) {
    if (!change.safe_update || change.updated_stamp === undefined) return;
    if (Math.floor(record.updated / 1000) > Math.floor(Date.parse(change.updated_stamp) / 1000))
      throw conflict();
  }

  // A job never overwrites what changed after it was queued.
  checkUnchanged(record, seq) {
    if (record.seq > seq) throw conflict();
  }

  // Changes a ticket, or throws what Zendesk answers. Returns the audit's events.
  apply(record, change) {
    if (record.fields.status === 'closed') {
      throw invalid({ status: [{ description: 'Status: closed prevents ticket update' }] }, 'closed ticket');
    }
    const patch = this.#patch(record, change);
    if (change.comment !== undefined) {
      onlyMembers(change.comment, new Set(['body', 'html_body', 'public', 'author_id']), 'comment');
      record.comments.push(change.comment);
    }
    return this.#write(record, patch, 'update');
  }

  // An agent's own change: { tags, add_tags, remove_tags, custom_fields, status, ... }. It is always a
  // second later than what was there, so that a stamp shows it.
  agent(record, { add_tags: added, remove_tags: removed, ...change }) {
    const patch = this.#patch(record, {
      additional_tags: added ?? [],
      remove_tags: removed ?? [],
      ...change,
    });
    return this.#write(record, patch, 'agent');
  }

  #simple(change) {
    const patch = {};
    const check = {
      status: (value) => STATUSES.includes(value),
      priority: (value) => PRIORITIES.includes(value),
      type: (value) => TYPES.includes(value),
      subject: (value) => typeof value === 'string',
      external_id: (value) => value === null || typeof value === 'string',
    };
    for (const name of SIMPLE) {
      if (!(name in change)) continue;
      if (!check[name](change[name])) {
        throw invalid(
          {
            [name]: [{ description: `${name}: ${change[name]} is invalid`, error: 'InvalidValue' }],
          },
          'wrong type',
        );
      }
      patch[name] = change[name];
    }
    return patch;
  }

  // The fields that a change leaves, as far as they are named: a drop-down's value is a tag as well,
  // and a list of tags without it clears the drop-down.
  #patch(record, change) {
    const patch = this.#simple(change);
    const tags = new Set('tags' in change ? takeTags(change.tags, 'tags') : record.fields.tags);
    for (const tag of takeTags(change.additional_tags ?? [], 'additional_tags')) tags.add(tag);
    for (const tag of takeTags(change.remove_tags ?? [], 'remove_tags')) tags.delete(tag);

    const written = this.#customFields(change.custom_fields);
    for (const field of this.fields) {
      if (field.type === 'checkbox' && field.tag) this.#tagBox(field, written, tags, patch, record);
      else if (field.options.length > 0) this.#tagOptions(field, written, tags, patch, record);
    }
    Object.assign(patch, written);
    const list = [...tags].sort();
    if ('tags' in change || list.join(' ') !== record.fields.tags.join(' ')) patch.tags = list;
    return patch;
  }

  #customFields(values) {
    if (values === undefined) return {};
    if (!Array.isArray(values)) throw badRequest('custom_fields must be an array', 'malformed');
    const written = {};
    for (const entry of values) {
      onlyMembers(entry, new Set(['id', 'value']), 'custom_fields');
      if (!Number.isSafeInteger(entry.id) || !('value' in entry)) {
        throw badRequest('custom_fields has a numeric id and a value each', 'malformed');
      }
      if (entry.id in written) throw badRequest(`custom_fields has ${entry.id} twice`, 'field twice');
      const value = this.fields.take(entry.id, entry.value, this.config.unknown_fields);
      if (value !== undefined) written[entry.id] = value;
    }
    return written;
  }

  #tagOptions(field, written, tags, patch, record) {
    const many = field.type === 'multiselect';
    if (field.id in written) {
      field.options.forEach((option) => tags.delete(option));
      for (const option of [written[field.id] ?? []].flat()) tags.add(option);
      return;
    }
    const there = field.options.filter((option) => tags.has(option));
    const old = record.fields[field.id];
    const value = many ? (there.length > 0 ? there : null) : there.includes(old) ? old : (there[0] ?? null);
    if (JSON.stringify(value) !== JSON.stringify(old ?? null)) patch[field.id] = value;
  }

  #tagBox(field, written, tags, patch, record) {
    if (field.id in written) {
      if (written[field.id]) tags.add(field.tag);
      else tags.delete(field.tag);
    } else if (tags.has(field.tag) !== record.fields[field.id]) patch[field.id] = tags.has(field.tag);
  }

  #write(record, patch, action) {
    const events = Object.entries(patch)
      .filter(([name, value]) => JSON.stringify(record.fields[name]) !== JSON.stringify(value))
      .map(([name, value]) => ({
        type: 'Change',
        field_name: name,
        value,
        previous_value: record.fields[name] ?? null,
      }));
    const later = action === 'agent' ? record.updated + 1000 : record.updated;
    record.updated = Math.max(Date.now(), later);
    this.table.update(record, patch, { action });
    return events;
  }

  // As the API shows it.
  show(record, base) {
    const { fields } = record;
    const custom = [...this.fields].map((field) => ({ id: field.id, value: fields[field.id] ?? null }));
    const simple = Object.fromEntries(SIMPLE.map((name) => [name, fields[name] ?? null]));
    return {
      url: `${base}/api/v2/tickets/${record.id}.json`,
      id: Number(record.id),
      ...simple,
      tags: fields.tags,
      custom_fields: custom,
      fields: custom,
      created_at: stamp(record.created),
      updated_at: stamp(record.updated),
    };
  }
}
