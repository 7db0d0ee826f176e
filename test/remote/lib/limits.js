// limits: how many requests there may be in a window, and in a day. 0 is no limit.

export class Limits {
  // { window_ms, window_max, daily_max, daily_used }
  constructor(config, now = Date.now) {
    this.now = now;
    this.windowMs = config.window_ms ?? 10_000;
    this.windowMax = config.window_max ?? 0;
    this.dailyMax = config.daily_max ?? 0;
    this.dailyUsed = config.daily_used ?? 0;
    this.windowStart = 0;
    this.windowUsed = 0;
  }

  #roll() {
    const now = this.now();
    if (now - this.windowStart >= this.windowMs) {
      this.windowStart = now;
      this.windowUsed = 0;
    }
  }

  // One request more: null, or which limit it is over, 'rate' or 'quota'; those are not counted.
  take() {
    this.#roll();
    if (this.dailyMax > 0 && this.dailyUsed >= this.dailyMax) return 'quota';
    if (this.windowMax > 0 && this.windowUsed >= this.windowMax) return 'rate';
    this.windowUsed += 1;
    this.dailyUsed += 1;
    return null;
  }

  get windowRemaining() {
    this.#roll();
    return Math.max(0, this.windowMax - this.windowUsed);
  }

  get dailyRemaining() {
    return Math.max(0, this.dailyMax - this.dailyUsed);
  }

  // Seconds, at least one, until the window is over.
  get windowSeconds() {
    return Math.max(1, Math.ceil((this.windowStart + this.windowMs - this.now()) / 1000));
  }
}
