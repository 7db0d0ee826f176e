// dynamics: the Web API of Dataverse, and the token endpoint of its identity platform. Config beside the
// usual:
//   tables                  [{ name, set, id, columns: {name: {type, max, min, options}}, keys, required }]
//   tenant                  what stands before /oauth2/v2.0/token; any when missing
//   protection              see dynamics/protection.js
//   refused_key_characters  those that a key value in a URL cannot have
//   fold_keys               key values are the same whatever their case; true when missing
//   entity_id               OData-EntityId has the "guid", or the "key" that was asked for
//   stopped_status          of a batch that stopped; that of the failed request when missing
//   rows                    [{ table, values }]: those there are at first
import crypto from 'node:crypto';

import { isObject } from '../lib/call.js';
import {
  empty,
  json,
  refusedAs,
  tokenError,
  tokenRefused,
  unauthorised,
  worded,
} from './dynamics/answers.js';
import { asRefused, Entity, etag, Refused } from './dynamics/entity.js';
import { Protection } from './dynamics/protection.js';
import { boundaryOf, formatBatch, Malformed, parseBatch } from './dynamics/multipart.js';
import { parseEntityPath, parseFilter } from './dynamics/odata.js';

const KEY_TROUBLE = '/<>*%&:\\?+';
const MAX_PARTS = 1000;
const MAX_URL = 32_768;
const PAGE = 5000;
const ROOT = /^\/api\/data\/v9\.[0-2]\//;
const SELF = {
  BusinessUnitId: '11111111-1111-4111-8111-111111111111',
  UserId: '22222222-2222-4222-8222-222222222222',
  OrganizationId: '33333333-3333-4333-8333-333333333333',
};

function prefers(headers, word) {
  return (headers.prefer ?? '').split(',').some((part) => part.trim().toLowerCase() === word);
}

class Dynamics {
  constructor(config, store) {
    this.config = config;
    this.sets = new Map();
    for (const definition of config.tables) {
      const entity = new Entity(definition, store, config.fold_keys);
      this.sets.set(entity.set, entity);
    }
    for (const { table, values } of config.rows) this.#seed(table, values);
    if (store.protection?.config !== config.protection) store.protection = new Protection(config.protection);
    this.protection = store.protection;
  }

  #seed(table, values) {
    const entity = [...this.sets.values()].find((one) => one.name === table);
    if (!entity) throw new Error(`dynamics: rows: no table is called "${table}"`);
    entity.checkBody(values);
    if (!entity.holds(values)) entity.create(values);
  }

  serve(call, world) {
    this.world = world;
    this.counters = world.counters;
    let parts = null;
    try {
      if (call.kind === 'batch') parts = this.#parse(call);
    } catch (error) {
      return this.#refused(error);
    }
    const over = this.protection.take(world.counters, parts ? parts.length : 1);
    if (over) {
      this.counters.refuse(over.why);
      return json(
        429,
        { error: { code: over.code, message: over.message } },
        { 'Retry-After': String(over.retry_after) },
      );
    }
    const answer = parts ? this.#batch(call, parts) : this.#one(call, this.#request(call));
    answer.headers['x-ms-ratelimit-burst-remaining-xrm-requests'] = String(this.protection.remaining);
    answer.headers['x-ms-ratelimit-time-remaining-xrm-requests'] = '1,200.00';
    return answer;
  }

  #refused(error) {
    if (error instanceof Malformed) {
      this.counters.refuse('malformed batch');
      return refusedAs(new Refused(400, '0x80060888', error.message, 'malformed batch'));
    }
    const known = asRefused(error);
    if (!(known instanceof Refused)) throw error;
    this.counters.refuse(known.reason);
    return refusedAs(known);
  }

  #request(call) {
    return {
      method: call.method,
      path: call.path,
      search: call.search.replace(/^\?/, ''),
      headers: call.headers,
      body: call.text,
    };
  }

  // One request, alone or of a batch; dry: only whether it would be done.
  #one(call, request, dry = false) {
    try {
      return this.#checked(call, request, dry);
    } catch (error) {
      return this.#refused(error);
    }
  }

  #checked(call, request, dry) {
    if (!ROOT.test(request.path))
      throw new Refused(
        404,
        '0x80060888',
        `Resource not found for the segment '${request.path}'.`,
        'not found',
      );
    if (request.path.length + request.search.length > MAX_URL)
      throw new Refused(414, '0x80060888', 'The URL is too long.', 'URL too long');
    for (const name of ['odata-version', 'odata-maxversion']) {
      if (![undefined, '4.0', '4.01'].includes(request.headers[name])) {
        throw new Refused(400, '0x80060888', `The header ${name} is not 4.0.`, 'OData version');
      }
    }
    const rest = request.path.replace(ROOT, '');
    const query = new URLSearchParams(request.search);
    if (rest === 'WhoAmI' || rest === 'WhoAmI()') {
      return json(200, {
        '@odata.context': `${this.#root(call)}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse`,
        ...SELF,
      });
    }
    const target = this.#target(rest);
    const entity = this.sets.get(target.set);
    if (!entity)
      throw new Refused(
        404,
        '0x80060888',
        `Resource not found for the segment '${target.set}'.`,
        'not found',
      );
    const single = target.id !== undefined || target.keys !== undefined;
    if (request.method === 'GET')
      return single
        ? this.#get(call, entity, target, query)
        : this.#list(call, entity, query, request.headers);
    if (request.method === 'PATCH' && single) return this.#patch(call, entity, target, request, dry);
    if (request.method === 'POST' && !single) return this.#post(call, entity, request, dry);
    if (request.method === 'DELETE' && single) return this.#delete(entity, target, dry);
    throw new Refused(405, '0x80060888', `The method ${request.method} is not allowed here.`, 'method');
  }

  #root(call) {
    return `${call.base}/api/data/v9.2/`;
  }

  // The path behind the version, percent-decoded after its parts are known.
  #target(rest) {
    let decoded;
    try {
      decoded = decodeURIComponent(rest);
    } catch {
      throw new Refused(400, '0x80060888', 'Bad Request - Error in query syntax.', 'query syntax');
    }
    if (rest.includes('/'))
      throw new Refused(400, '0x80060888', 'Bad Request - Error in query syntax.', 'query syntax');
    const target = parseEntityPath(decoded);
    for (const value of target.keys?.values() ?? []) {
      if (
        typeof value === 'string' &&
        [...value].some((letter) => this.config.refused_key_characters.includes(letter))
      ) {
        throw new Refused(400, '0x80060888', 'Bad Request - Error in query syntax.', 'character in key');
      }
    }
    return target;
  }

  #body(request) {
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      throw new Refused(415, '0x80060888', 'A body needs the Content-Type application/json.', 'content type');
    }
    try {
      return JSON.parse(request.body);
    } catch {
      throw new Refused(400, '0x80048d19', 'The request body is not valid JSON.', 'malformed');
    }
  }

  #missing(entity, target) {
    const message =
      target.id === undefined
        ? `A record with the specified key values does not exist in ${entity.name} entity`
        : `${entity.name} With Id = ${target.id} Does Not Exist`;
    return new Refused(404, target.id === undefined ? '0x80060891' : '0x80040217', message, 'not found');
  }

  // If-Match and If-None-Match.
  #checkVersion(record, entity, target, headers) {
    const match = headers['if-match'];
    const none = headers['if-none-match'];
    if (none !== undefined && none !== '*')
      throw new Refused(400, '0x80060888', 'If-None-Match takes * here.', 'precondition');
    if (none === '*' && record) {
      throw new Refused(
        412,
        '0x80040237',
        'A record with matching key values already exists.',
        'record exists',
      );
    }
    if (match !== undefined && !record) throw this.#missing(entity, target);
    if (match !== undefined && match !== '*' && match !== etag(record)) {
      throw new Refused(
        412,
        '0x80060882',
        "The version of the existing record doesn't match the RowVersion property provided.",
        'row version',
      );
    }
  }

  // Once for each request, also where it is looked at before it is done.
  #drawRow(call, request, key) {
    const fault = request.drawn ? null : this.world.faults.drawRow(call, key);
    request.drawn = true;
    if (!fault) return;
    throw new Refused(
      fault.status ?? 400,
      fault.code ?? '0x80040265',
      fault.message ?? 'A plug-in refused the record.',
      'row fault',
    );
  }

  #written(call, entity, record, created, request, target) {
    const name =
      this.config.entity_id === 'key' && target.keys
        ? [...target.keys]
            .map(
              ([key, value]) =>
                `${key}=${typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : value}`,
            )
            .join(',')
        : record.id;
    const headers = { 'OData-EntityId': `${this.#root(call)}${entity.set}(${name})` };
    if (!prefers(request.headers, 'return=representation')) return empty(204, headers);
    return json(created ? 201 : 200, this.#shown(call, entity, record, null), {
      ...headers,
      'Preference-Applied': 'return=representation',
    });
  }

  #shown(call, entity, record, select) {
    return {
      '@odata.context': `${this.#root(call)}$metadata#${entity.set}/$entity`,
      ...entity.show(record, select),
    };
  }

  #patch(call, entity, target, request, dry) {
    const body = this.#body(request);
    const record = entity.find(target);
    entity.checkBody(body, target.keys);
    this.#checkVersion(record, entity, target, request.headers);
    this.#drawRow(call, request, target.id ?? [...target.keys.values()].join('/'));
    const fields = record ? body : { ...Object.fromEntries(target.keys ?? []), ...body };
    if (dry) {
      if (record) entity.update(record, fields, { dry });
      else entity.create(fields, { dry });
      return empty(204);
    }
    if (record) entity.update(record, fields);
    const now = record ?? entity.create(fields, { id: target.id });
    return this.#written(call, entity, now, !record, request, target);
  }

  #post(call, entity, request, dry) {
    const body = this.#body(request);
    entity.checkBody(body);
    this.#drawRow(call, request, entity.keys[0]?.map((column) => body[column]).join('/'));
    const record = entity.create(body, { dry });
    if (dry) return empty(204);
    return this.#written(call, entity, record, true, request, {});
  }

  #delete(entity, target, dry) {
    const record = entity.find(target);
    if (!record) throw this.#missing(entity, target);
    if (!dry) entity.remove(record);
    return empty(204);
  }

  #select(entity, query) {
    const select = query.get('$select');
    if (select === null) return null;
    const columns = select.split(',').map((column) => column.trim());
    columns.forEach((column) => entity.checkColumn(column));
    return columns;
  }

  #checkQuery(query, allowed) {
    for (const name of query.keys()) {
      if (!allowed.includes(name))
        throw new Refused(400, '0x80060888', `The query parameter ${name} is not supported.`, 'query syntax');
    }
  }

  #get(call, entity, target, query) {
    this.#checkQuery(query, ['$select']);
    const record = entity.find(target);
    if (!record) throw this.#missing(entity, target);
    return json(200, this.#shown(call, entity, record, this.#select(entity, query)), {
      etag: etag(record),
    });
  }

  #list(call, entity, query, headers) {
    this.#checkQuery(query, ['$select', '$filter', '$top', '$count', '$orderby', '$skiptoken']);
    const select = this.#select(entity, query);
    const test = query.has('$filter')
      ? parseFilter(query.get('$filter'), (column) => entity.checkColumn(column))
      : () => true;
    const found = [...entity.filtered(test)];
    const [order, direction] = (query.get('$orderby') ?? '').split(/\s+/);
    if (order) {
      entity.checkColumn(order);
      const sign = direction === 'desc' ? -1 : 1;
      found.sort((a, b) => sign * (entity.row(a)[order] < entity.row(b)[order] ? -1 : 1));
    }
    const size = Number(/odata\.maxpagesize=(\d+)/.exec(headers.prefer ?? '')?.[1] ?? PAGE);
    const skip = Number(query.get('$skiptoken') ?? 0);
    const most = Number(query.get('$top') ?? Infinity);
    const page = found.slice(skip, skip + Math.min(size, most));
    const body = {
      '@odata.context': `${this.#root(call)}$metadata#${entity.set}`,
      value: page.map((record) => entity.show(record, select)),
    };
    if (query.get('$count') === 'true') body['@odata.count'] = found.length;
    if (most === Infinity && skip + page.length < found.length) {
      query.set('$skiptoken', String(skip + page.length));
      body['@odata.nextLink'] = `${this.#root(call)}${entity.set}?${query}`;
    }
    return json(200, body);
  }

  #parse(call) {
    const boundary = boundaryOf(call.header('content-type'));
    if (call.method !== 'POST' || boundary === null) {
      throw new Refused(
        400,
        '0x80060888',
        'A batch is a POST of the content type multipart/mixed.',
        'content type',
      );
    }
    const parts = parseBatch(call.text, boundary);
    const requests = parts.flatMap(({ request, changeSet }) => changeSet ?? [request]);
    if (requests.length > MAX_PARTS) {
      throw new Refused(
        400,
        '0x80060888',
        `A batch may have ${MAX_PARTS} requests at most.`,
        'too many records',
      );
    }
    requests.forEach((request) => this.#resolve(call, request));
    return parts;
  }

  // A part's URL: absolute, from the root, or from the service's root.
  #resolve(call, request) {
    let url = request.url;
    const base = `${call.base}/`;
    const prefix = new URL(base).pathname;
    if (url.startsWith(base)) url = `/${url.slice(base.length)}`;
    else if (prefix !== '/' && url.startsWith(prefix)) url = `/${url.slice(prefix.length)}`;
    else if (!url.startsWith('/')) url = `${call.path.replace(/\$batch$/, '')}${url}`;
    const at = url.indexOf('?');
    request.path = at < 0 ? url : url.slice(0, at);
    request.search = at < 0 ? '' : url.slice(at + 1);
    if (request.path.endsWith('$batch')) throw new Malformed('A batch cannot contain a batch.');
  }

  #batch(call, parts) {
    const goOn = prefers(call.headers, 'odata.continue-on-error');
    const answers = [];
    let status = 200;
    for (const part of parts) {
      const done = part.changeSet
        ? this.#changeSet(call, part.changeSet)
        : { answer: this.#part(this.#one(call, part.request), part.request.id) };
      answers.push(done);
      const failed = done.answer?.status >= 400;
      if (failed) this.counters.records.refused += part.changeSet?.length ?? 1;
      if (failed && !goOn) {
        status = this.config.stopped_status ?? done.answer.status;
        break;
      }
    }
    const boundary = `batchresponse_${crypto.randomUUID()}`;
    return {
      status,
      headers: { 'Content-Type': `multipart/mixed; boundary=${boundary}`, 'OData-Version': '4.0' },
      body: formatBatch(answers, boundary, () => crypto.randomUUID()),
    };
  }

  // All or nothing: looked at first, done when nothing is wrong.
  #changeSet(call, requests) {
    for (const request of requests) {
      const answer = this.#one(call, request, true);
      if (answer.status >= 400) return { answer: this.#part(answer, request.id) };
    }
    return { changeSet: requests.map((request) => this.#part(this.#one(call, request), request.id)) };
  }

  #part({ status, headers, body }, id) {
    const { 'Content-Type': type, ...rest } = headers;
    return {
      status,
      headers: body === undefined ? rest : { 'Content-Type': type, ...rest },
      body: isObject(body) ? JSON.stringify(body) : body,
      id,
    };
  }
}

export default {
  name: 'dynamics',
  defaults: {
    tables: [],
    rows: [],
    tenant: null,
    protection: {},
    refused_key_characters: KEY_TROUBLE,
    fold_keys: true,
    entity_id: 'guid',
    stopped_status: null,
  },
  compile: (config, store) => new Dynamics(config, store),

  kind(call) {
    if (/\/oauth2\/v2\.0\/token$/.test(call.path)) return 'token';
    const rest = call.path.replace(ROOT, '');
    if (rest === '$batch') return 'batch';
    if (rest === 'WhoAmI' || rest === 'WhoAmI()') return 'whoami';
    return { PATCH: 'upsert', POST: 'create', DELETE: 'delete', GET: 'read' }[call.method] ?? 'other';
  },

  token(granted, call, { config }) {
    const tenant = call.segments.slice(0, -3).join('/');
    if (config.tenant !== null && tenant !== config.tenant) {
      return tokenError(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
    }
    if (call.mediaType !== 'application/x-www-form-urlencoded') {
      return tokenError(
        400,
        'invalid_request',
        900144,
        "The request body must contain the following parameter: 'grant_type'.",
      );
    }
    if (granted.error) return tokenRefused(granted, call);
    return json(200, {
      token_type: 'Bearer',
      expires_in: granted.expires_in,
      ext_expires_in: granted.expires_in,
      access_token: granted.access_token,
    });
  },

  handle: (call, world) => world.model.serve(call, world),

  refusal(reason, detail, call, world) {
    if (reason === 'unauthorised') return unauthorised();
    if (reason === 'fault') return worded(detail);
    return worded({ kind: '429', retry_after: world.limits.windowSeconds });
  },
};
