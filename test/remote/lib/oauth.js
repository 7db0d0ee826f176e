// oauth: tokens of one API: who gets one, and which ones are good. What is configured as "auth":
//   required        false lets everybody in
//   clients         {client_id: client_secret}
//   flows           those there are, of client_credentials, refresh_token and jwt
//   expires_in      seconds an access token is good for; 0 for ever
//   refresh_tokens  the ones there are at first
//   rotate          a refresh gives a new refresh token, and the old pair is void at once
//   static_tokens   access tokens that never expire: service keys, private apps
//   scope           what a client_credentials request has to ask for, where it has to
//   jwt             {public_key, subjects, audiences, max_seconds}
import { verifyAssertion } from './jwt.js';
import { makeToken } from './random.js';

const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

function failed(error, description) {
  return { error, description };
}

export class Tokens {
  constructor(config, counters, now = Date.now) {
    this.counters = counters;
    this.now = now;
    this.access = new Map(); // token -> when it ends, in ms
    this.refresh = new Map(); // token -> the access token that came with it
    this.spent = new Set();
    this.configure(config);
  }

  // What was issued stays good.
  configure(config) {
    this.config = config;
    for (const token of config.refresh_tokens ?? []) {
      if (!this.spent.has(token) && !this.refresh.has(token)) this.refresh.set(token, null);
    }
  }

  // A token request's answer: { access_token, refresh_token?, expires_in, scope? }, or
  // { error, description } in the words of RFC 6749.
  grant(call) {
    const granted = this.#granted(this.#parameters(call), call);
    this.counters.tokens[granted.error ? 'refused' : 'issued'] += 1;
    if (granted.error) this.counters.refuse(`token: ${granted.description}`);
    return granted;
  }

  // null, or what is wrong with a request's bearer token: 'missing', 'unknown' or 'expired'.
  check(call) {
    if (this.config.required === false) return null;
    const match = /^Bearer +(\S+)$/i.exec(call.header('authorization') ?? '');
    if (!match) return 'missing';
    const token = match[1];
    if ((this.config.static_tokens ?? []).includes(token)) return null;
    const ends = this.access.get(token);
    if (ends === undefined) return 'unknown';
    return ends <= this.now() ? 'expired' : null;
  }

  // All access tokens end now; those that come with a refresh token can be refreshed.
  expire() {
    for (const token of this.access.keys()) this.access.set(token, 0);
  }

  // Nothing that was issued is good any more.
  revoke() {
    this.access.clear();
    for (const token of this.refresh.keys()) this.spent.add(token);
    this.refresh.clear();
  }

  #parameters(call) {
    const parameters = call.mediaType === 'application/json'
      ? new Map(Object.entries(call.json ?? {}))
      : call.form;
    const basic = /^Basic +(\S+)$/i.exec(call.header('authorization') ?? '');
    if (!basic) return (name) => parameters.get(name) ?? undefined;
    const [id, secret] = Buffer.from(basic[1], 'base64').toString('utf8').split(/:(.*)/s);
    const given = { client_id: decodeURIComponent(id), client_secret: decodeURIComponent(secret ?? '') };
    return (name) => given[name] ?? parameters.get(name) ?? undefined;
  }

  #granted(parameter, call) {
    const flows = this.config.flows ?? ['client_credentials'];
    const type = parameter('grant_type');
    if (call.method !== 'POST') return failed('invalid_request', 'must use HTTP POST');
    if (type === 'client_credentials' && flows.includes(type)) return this.#clientCredentials(parameter);
    if (type === 'refresh_token' && flows.includes(type)) return this.#refresh(parameter);
    if (type === JWT_GRANT && flows.includes('jwt')) return this.#assertion(parameter);
    return failed('unsupported_grant_type', 'grant type not supported');
  }

  #badClient(parameter) {
    const id = parameter('client_id');
    const clients = this.config.clients ?? {};
    if (id === undefined || !Object.hasOwn(clients, id)) return failed('invalid_client', 'invalid client identifier');
    if (parameter('client_secret') !== clients[id]) return failed('invalid_client', 'invalid client credentials');
    return null;
  }

  #issue(more) {
    const token = makeToken('at.');
    const seconds = this.config.expires_in ?? 1800;
    this.access.set(token, seconds === 0 ? Infinity : this.now() + seconds * 1000);
    return { access_token: token, expires_in: seconds, ...more };
  }

  #clientCredentials(parameter) {
    const bad = this.#badClient(parameter);
    if (bad) return bad;
    const scope = parameter('scope');
    if (this.config.scope !== undefined && scope !== this.config.scope) {
      return failed('invalid_scope', 'the scope asked for is not valid');
    }
    return this.#issue({ scope });
  }

  #refresh(parameter) {
    const bad = this.#badClient(parameter);
    if (bad) return bad;
    const old = parameter('refresh_token');
    if (this.spent.has(old)) {
      this.counters.tokens.reused += 1;
      return failed('invalid_grant', 'refresh token was used before');
    }
    if (!this.refresh.has(old)) return failed('invalid_grant', 'refresh token is not known');
    const issued = this.#issue({ refresh_token: old });
    if (this.config.rotate) {
      this.access.delete(this.refresh.get(old));
      this.refresh.delete(old);
      this.spent.add(old);
      issued.refresh_token = makeToken('rt.');
    }
    this.refresh.set(issued.refresh_token, issued.access_token);
    return issued;
  }

  #assertion(parameter) {
    const wrong = verifyAssertion(parameter('assertion'), {
      ...this.config.jwt,
      issuers: Object.keys(this.config.clients ?? {}),
      now: this.now(),
    });
    return wrong ? failed('invalid_grant', wrong) : this.#issue({});
  }
}
