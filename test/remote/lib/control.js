// control: what tests call below /_control, to steer the stand-ins and to see what became of them.
//
//   POST /_control/reset                  all as they were at first
//   POST /_control/API/reset              this one
//   POST /_control/API/config             its keys replaced by those of the body; GET shows all
//   POST /_control/API/expire, /revoke    access tokens end; all tokens are void
//   POST /_control/API/release            what a "hold" keeps goes on
//   GET  /_control/API/counters
//   GET  /_control/API/records            ?id= or ?key= for one, ?object=, ?offset=, ?limit=;
//   GET  /_control/API/history            ?columns=A,B: as the text format of COPY
//   GET  /_control/API/requests           the last ones, with their bodies; ?kind=
//   GET  /_control/API/regressions        ?field=: writes older than an earlier one of the record
//   GET  /_control/API/repeats            ?field=: writes of the version that the record had
//   GET  /_control/API/duplicates         values of unique fields (or ?field=) more than one record has
//   GET or POST /_control/API/NAME        a call of this API alone: see the end of its file
import { isObject } from './call.js';
import { duplicates, regressions, repeats } from './checks.js';

const DEFAULT_LIMIT = 1000;

function failure(status, message) {
  return { status, body: { error: message } };
}

function good(body) {
  return { status: 200, body };
}

function shownRecord(record) {
  return {
    object: record.table.name,
    id: record.id,
    key: record.key,
    fields: record.fields,
    created_at: new Date(record.created).toISOString(),
    modified_at: new Date(record.modified).toISOString(),
    writes: record.writes,
    seq: record.seq,
  };
}

function copyText(value) {
  if (value === undefined || value === null) return '\\N';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.replace(/[\\\n\r\t]/g, (c) => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c]);
}

// Rows of chosen columns: names of fields, or object, id, key, writes, seq, at, action.
function columns(items, names) {
  const lines = [];
  for (const item of items) {
    lines.push(names.map((name) => copyText(name in item.fields ? item.fields[name] : item[name])).join('\t'));
  }
  return { status: 200, body: lines.length > 0 ? `${lines.join('\n')}\n` : '' };
}

function page(query, items, name, total) {
  return good({ total, [name]: items, offset: Number(query.get('offset') ?? 0) });
}

function limits(query) {
  const offset = Number(query.get('offset') ?? 0);
  return [offset, offset + Number(query.get('limit') ?? DEFAULT_LIMIT)];
}

function records(world, query) {
  let found = [...world.store.records(query.get('object'))];
  if (query.has('id')) found = found.filter((record) => record.id === query.get('id'));
  if (query.has('key')) found = found.filter((record) => String(record.key) === query.get('key'));
  if (query.has('columns')) {
    return columns(found.map(shownRecord), query.get('columns').split(','));
  }
  return page(query, found.slice(...limits(query)).map(shownRecord), 'records', found.length);
}

function history(world, query) {
  const { journal } = world.store;
  const chosen = [];
  for (let i = 0; i < journal.length; i += 1) {
    const record = journal.records[i];
    if (query.has('id') && record.id !== query.get('id')) continue;
    if (query.has('key') && String(record.key) !== query.get('key')) continue;
    if (query.has('object') && record.table.name !== query.get('object')) continue;
    chosen.push(i);
  }
  if (query.has('columns')) {
    return columns(chosen.map((i) => journal.entry(i)), query.get('columns').split(','));
  }
  const shown = chosen.slice(...limits(query)).map((i) => journal.entry(i));
  return page(query, shown, 'history', chosen.length);
}

function requests(world, query) {
  const shown = world.captured.slice(-world.config.capture)
    .filter(({ call }) => !query.has('kind') || call.kind === query.get('kind'))
    .map(({ call, status, at }) => ({
      at: new Date(at).toISOString(),
      kind: call.kind,
      method: call.method,
      path: call.path,
      query: call.search,
      headers: call.headers,
      body: call.text,
      status,
    }));
  return good({ requests: shown });
}

function listed(name, items) {
  return good({ total: items.length, [name]: items.slice(0, DEFAULT_LIMIT) });
}

const READ = {
  config: (world) => good(world.config),
  counters: (world) => good(world.counters.report()),
  records,
  history,
  requests,
  regressions: (world, query) => listed('regressions', regressions(world.store.journal, query.get('field'))),
  repeats: (world, query) => listed('repeats', repeats(world.store.journal, query.get('field'))),
  duplicates: (world, query) => listed('duplicates', duplicates(world.store, query.get('field'))),
};

function configure(world, call) {
  if (!isObject(call.json)) return failure(400, 'the body is not a JSON object');
  try {
    world.configure(call.json);
  } catch (error) {
    return failure(400, error.message);
  }
  return good({});
}

const WRITE = {
  config: configure,
  reset: (world) => good(world.reset() ?? {}),
  expire: (world) => good(world.tokens.expire() ?? {}),
  revoke: (world) => good(world.tokens.revoke() ?? {}),
  release: (world) => good({ released: world.release() }),
};

// What only this API has.
function own(world, call, verb) {
  try {
    return good(world.api.controls[verb](world, call.json));
  } catch (error) {
    return failure(400, error.message);
  }
}

// One world's: (world, call, verb).
function steer(world, call, verb) {
  world.api.settle?.(world);
  if (Object.hasOwn(world.api.controls ?? {}, verb)) return own(world, call, verb);
  if (call.method === 'GET' && Object.hasOwn(READ, verb)) return READ[verb](world, call.query);
  if (call.method === 'POST' && Object.hasOwn(WRITE, verb)) return WRITE[verb](world, call);
  return failure(404, `no control call is ${call.method} ${call.path}`);
}

export function control(worlds, call) {
  const [name, verb, ...more] = call.segments;
  if (call.method === 'POST' && name === 'reset' && verb === undefined) {
    for (const world of worlds.values()) world.reset();
    return good({});
  }
  const world = worlds.get(name);
  if (!world) return failure(404, `no stand-in is called "${name}"`);
  return more.length === 0 ? steer(world, call, verb ?? '') : failure(404, `no control call is ${call.path}`);
}
