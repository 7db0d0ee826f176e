// jwt: assertions of the JWT bearer flow, signed with RS256.
import crypto from 'node:crypto';

const CLOCK_SLACK_S = 5;

function part(text) {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

// null, or what is wrong. Of subjects and audiences, an empty or missing list allows any.
export function verifyAssertion(assertion, { public_key: key, subjects, audiences, max_seconds: max = 180, issuers, now }) {
  const pieces = (assertion ?? '').split('.');
  if (pieces.length !== 3 || pieces.some((piece) => !/^[A-Za-z0-9_-]+$/.test(piece))) return 'invalid assertion';
  const head = part(pieces[0]);
  const claims = part(pieces[1]);
  if (!head || !claims) return 'invalid assertion';
  if (head.alg !== 'RS256') return 'algorithm is not RS256';
  if (!key) return 'no certificate is registered';

  const signature = Buffer.from(pieces[2], 'base64url');
  const signed = Buffer.from(`${pieces[0]}.${pieces[1]}`);
  if (!crypto.verify('RSA-SHA256', signed, key, signature)) return 'invalid signature';
  if (!issuers.includes(claims.iss)) return 'client identifier invalid';
  if (typeof claims.sub !== 'string' || (subjects?.length && !subjects.includes(claims.sub))) {
    return "user hasn't approved this consumer";
  }
  if (typeof claims.aud !== 'string' || (audiences?.length && !audiences.includes(claims.aud))) return 'audience is invalid';

  const seconds = now / 1000;
  if (!Number.isInteger(claims.exp) || claims.exp <= seconds - CLOCK_SLACK_S) return 'expired authorization code';
  if (claims.exp > seconds + max + CLOCK_SLACK_S) return 'assertion ends too late';
  return null;
}
