// protection: service protection: too many requests in a window, or at once, are turned down with
// a time to wait. Whoever sends meanwhile waits longer.

const TEXTS = {
  requests: [
    '0x80072322',
    (config) =>
      `Number of requests exceeded the limit of ${config.window_max} over time window of` +
      ` ${config.window_ms / 1000} seconds.`,
  ],
  time: [
    '0x80072321',
    (config) =>
      `Combined execution time of incoming requests exceeded limit of ${config.time_max_ms} milliseconds` +
      ` over time window of ${config.window_ms / 1000} seconds.`,
  ],
  concurrency: [
    '0x80072326',
    (config) => `Number of concurrent requests exceeded the limit of ${config.concurrent_max}.`,
  ],
};

export class Protection {
  // { window_ms, window_max, concurrent_max, time_max_ms, cost_ms, wait_ms, longer_ms }; 0 is no limit.
  // cost_ms is what a request counts for beside the execution time; longer_ms what sending too early adds.
  constructor(config, now = Date.now) {
    this.now = now;
    this.config = config;
    this.rules = {
      window_ms: 300_000,
      window_max: 0,
      concurrent_max: 0,
      time_max_ms: 0,
      cost_ms: 0,
      wait_ms: 1000,
      longer_ms: 1000,
      ...config,
    };
    this.started = 0;
    this.used = 0;
    this.spentMs = 0;
    this.until = 0;
    this.why = null;
  }

  get waiting() {
    return this.now() < this.until;
  }

  get remaining() {
    return this.rules.window_max === 0
      ? 6000 - (this.used % 6000)
      : Math.max(0, this.rules.window_max - this.used);
  }

  // null, or { code, message, retry_after } of a request that is turned down; operations is how many it has.
  take(counters, operations = 1) {
    const now = this.now();
    if (this.waiting) {
      this.until += this.rules.longer_ms;
      counters.refuse('sent during retry-after');
      return this.#refusal();
    }
    if (now - this.started >= this.rules.window_ms || this.why === 'requests' || this.why === 'time') {
      this.started = now;
      this.used = 0;
      this.spentMs = 0;
    }
    this.why = this.#over(counters);
    if (this.why) {
      this.until = now + this.rules.wait_ms;
      return this.#refusal();
    }
    this.used += 1;
    this.spentMs += this.rules.cost_ms * operations;
    return null;
  }

  #over(counters) {
    const { window_max: most, concurrent_max: atOnce, time_max_ms: time } = this.rules;
    if (atOnce > 0 && counters.inFlight > atOnce) return 'concurrency';
    if (most > 0 && this.used >= most) return 'requests';
    return time > 0 && this.spentMs >= time ? 'time' : null;
  }

  #refusal() {
    const [code, word] = TEXTS[this.why];
    return {
      code,
      message: word(this.rules),
      retry_after: Math.max(1, Math.ceil((this.until - this.now()) / 1000)),
      why: this.why,
    };
  }
}
