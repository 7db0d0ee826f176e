// checks: what a test asks of a remote's history.

// A version as it may be kept: a number, or a text of one. Others count as none.
function version(value) {
  if (value === null || value === undefined || value === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

// Goes through the writes that have the field, with the highest value before of the same record.
function* versions(journal, field) {
  const highest = new Map();
  for (let i = 0; i < journal.length; i += 1) {
    const now = version(journal.fields[i][field]);
    if (now === undefined) continue;
    const record = journal.records[i];
    const before = highest.get(record);
    yield { i, now, before };
    if (before === undefined || now > before) highest.set(record, now);
  }
}

// Writes whose version is lower than an earlier write's of the same record.
export function regressions(journal, field) {
  const found = [];
  for (const { i, now, before } of versions(journal, field)) {
    if (before !== undefined && now < before) found.push({ ...journal.entry(i), version: now, before });
  }
  return found;
}

// How many writes repeat a version that the record has had as its newest.
export function repeats(journal, field) {
  const found = [];
  for (const { i, now, before } of versions(journal, field)) {
    if (now === before) found.push({ ...journal.entry(i), version: now });
  }
  return found;
}

// Values that more than one record of a table has in the same field: each table's unique fields, or
// the one that is named; "key" is what records are known by.
export function duplicates(store, field) {
  const found = [];
  for (const table of store.tables.values()) {
    const names = field ? [field] : [...new Set(['key', ...table.unique])];
    for (const name of names) {
      const seen = new Map();
      for (const record of table.byId.values()) {
        const value = name === 'key' ? record.key : record.fields[name];
        if (value === undefined || value === null || value === '') continue;
        const text = table.fold.has(name) || name === 'key' ? String(value).toLowerCase() : String(value);
        if (!seen.has(text)) seen.set(text, []);
        seen.get(text).push(record.id);
      }
      for (const [value, ids] of seen) {
        if (ids.length > 1) found.push({ object: table.name, field: name, value, ids });
      }
    }
  }
  return found;
}
