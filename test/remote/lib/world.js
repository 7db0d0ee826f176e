// world: one API's stand-in while it runs: its config, what it holds, its tokens, limits and faults.
//
// An API is what a file api/NAME.js exports as default:
//   name          the first part of its paths
//   defaults      its config at first; only these keys and the common ones below can be set
//   open          kinds of requests that need no token and count against no limit
//   compile(config, store)       checks the config (an Error is the answer to the control call) and
//                 makes of it what handle needs, world.model; defines the tables of the store
//   kind(call)    what kind of request it is, for counters and faults; "token" is a token request
//   token(granted, call, world)  the answer to a token request (Tokens.grant)
//   handle(call, world)          the answer to any other: { status, headers?, body? }
//   refusal(reason, detail, call, world)   the answer to a request that is not let through. reason is
//                 'unauthorised' (detail: missing, unknown, expired), 'rate', 'quota' (detail: null),
//                 or 'fault' (detail: the fault; its kind is a status)
//   headers(call, world)         headers that every answer has; may be missing
//   settle(world)                does what is due by now, before a test looks; may be missing
//   controls      control calls of its own: name -> (world, body) => answer; may be missing
// An answer's body is a text, a Buffer, or anything else for JSON.
import fs from 'node:fs';

import { Counters } from './counters.js';
import { Faults } from './faults.js';
import { Limits } from './limits.js';
import { Tokens } from './oauth.js';
import { makeRandom } from './random.js';
import { Store } from './records.js';

const COMMON = { auth: {}, limits: {}, faults: [], delay_ms: 0, seed: 1, capture: 100 };

export class World {
  constructor(api) {
    this.api = api;
    this.name = api.name;
    this.held = [];
    this.reset();
  }

  // As it was at first. What is held is let go.
  reset() {
    this.release();
    this.config = structuredClone({ ...COMMON, ...this.api.defaults });
    this.counters = new Counters();
    this.store = new Store(this.counters);
    this.model = undefined;
    this.captured = [];
    this.tokens = new Tokens(this.config.auth, this.counters);
    this.#apply(Object.keys(this.config));
  }

  // Each key given replaces the one there is; "auth" and "limits" are joined with it. Nothing changes
  // where one is not good.
  configure(change) {
    const config = { ...this.config };
    for (const [key, value] of Object.entries(change)) {
      if (!(key in config)) throw new Error(`config of ${this.name} has no key "${key}"`);
      config[key] = key === 'auth' || key === 'limits' ? { ...config[key], ...value } : value;
    }
    const before = this.config;
    this.config = config;
    try {
      this.#apply(Object.keys(change));
    } catch (error) {
      this.config = before;
      this.#apply(Object.keys(change));
      throw error;
    }
  }

  #apply(keys) {
    const changed = new Set(keys);
    const { config } = this;
    if (changed.has('seed')) this.random = makeRandom(config.seed);
    if (changed.has('seed') || changed.has('faults')) {
      this.faults = new Faults(config.faults, this.random, this.counters);
    }
    if (changed.has('limits')) this.limits = new Limits(config.limits);
    this.tokens.configure(config.auth);
    const own = keys.some((key) => key in this.api.defaults);
    if (own || this.model === undefined) this.model = this.api.compile(config, this.store);
  }

  // What the API answers where no fault is in the way.
  answer(call) {
    const { api } = this;
    if (call.kind === 'token') return api.token(this.tokens.grant(call), call, this);
    if (!(api.open ?? []).includes(call.kind)) {
      const stale = this.tokens.check(call);
      if (stale) return this.refuse('unauthorised', stale, call);
      const over = this.limits.take();
      if (over) return this.refuse(over, null, call);
    }
    return api.handle(call, this);
  }

  refuse(reason, detail, call) {
    if (reason !== 'fault') this.counters.refuse(detail ? `${reason}: ${detail}` : reason);
    return this.api.refusal(reason, detail, call, this);
  }

  capture(call, status) {
    if (this.config.capture <= 0) return;
    this.captured.push({ call, status, at: Date.now() });
    if (this.captured.length > this.config.capture * 2) this.captured = this.captured.slice(-this.config.capture);
  }

  hold(goOn) {
    this.held.push(goOn);
    this.counters.held = this.held.length;
  }

  release() {
    const held = this.held;
    this.held = [];
    if (this.counters) this.counters.held = 0;
    held.forEach((goOn) => goOn());
    return held.length;
  }
}

// One world for each file of api/.
export async function loadWorlds() {
  const directory = new URL('../api/', import.meta.url);
  const worlds = new Map();
  for (const file of fs.readdirSync(directory).filter((name) => name.endsWith('.js')).sort()) {
    const { default: api } = await import(new URL(file, directory));
    worlds.set(api.name, new World(api));
  }
  return worlds;
}
