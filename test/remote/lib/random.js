// random: numbers that a seed makes the same in each run (mulberry32).
import crypto from 'node:crypto';

export function makeRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Tokens are nobody's to guess, seeded or not.
export function makeToken(prefix) {
  return prefix + crypto.randomBytes(24).toString('base64url');
}
