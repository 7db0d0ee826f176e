// faults: which request meets which fault. A fault is
//   kind          "500", "503", "429", "401" or another status, as the API words it;
//                 "hang"     never answers, nothing applied
//                 "timeout"  applies, then never answers
//                 "close"    resets the connection, nothing applied
//                 "reset"    applies, then resets the connection in the middle of the answer's body
//                 "hold"     keeps the request until /release, then goes on as if nothing was
//                 "row"      refuses single records of a batch: code and message are the API's
//   probability   of each request (or row) that it concerns, by the seed; or
//   count         the first so many that it concerns; both: at most so many
//   after         how many that it concerns are let through first
//   on            kinds of requests it concerns; all but "token" when missing
//   match         a text that the path or the body has to contain, for a row: its external id
//   apply         apply the request all the same (or not): the other way round than usual
//   retry_after   seconds: the header of a 429 or 503; none when missing
//   delay_ms      how long the answer takes, instead of the config's
//   code, message, policy, ...   what the API needs to word it
const APPLIED = new Set(['timeout', 'reset']);
const KINDS = new Set(['hang', 'timeout', 'close', 'reset', 'hold', 'row']);

function check(fault) {
  const kind = String(fault.kind);
  if (!KINDS.has(kind) && !/^[345]\d\d$/.test(kind)) throw new Error(`faults: no fault is called "${kind}"`);
  if (fault.probability === undefined && fault.count === undefined) {
    throw new Error(`faults: "${kind}" needs probability or count`);
  }
  if (fault.on !== undefined && !Array.isArray(fault.on)) throw new Error('faults: on is a list');
}

export class Faults {
  constructor(list, random, counters) {
    if (!Array.isArray(list)) throw new Error('faults: not a list');
    list.forEach(check);
    this.random = random;
    this.counters = counters;
    const armed = list.map((fault) => ({
      ...fault,
      kind: String(fault.kind),
      apply: fault.apply ?? APPLIED.has(String(fault.kind)),
      seen: 0,
      left: fault.count ?? Infinity,
    }));
    this.ofRequests = armed.filter((fault) => fault.kind !== 'row');
    this.ofRows = armed.filter((fault) => fault.kind === 'row');
  }

  #strikes(fault) {
    fault.seen += 1;
    if (fault.left <= 0 || fault.seen <= (fault.after ?? 0)) return false;
    if (fault.probability !== undefined && this.random() >= fault.probability) return false;
    fault.left -= 1;
    this.counters.fault(fault.kind);
    return true;
  }

  // The fault of a request, or null.
  draw(call) {
    for (const fault of this.ofRequests) {
      if (fault.on ? !fault.on.includes(call.kind) : call.kind === 'token') continue;
      if (fault.match !== undefined && !call.path.includes(fault.match) && !call.text.includes(fault.match)) continue;
      if (this.#strikes(fault)) return fault;
    }
    return null;
  }

  // The fault of one record of a batch, or null; key is its external id.
  drawRow(call, key) {
    for (const fault of this.ofRows) {
      if (fault.on && !fault.on.includes(call.kind)) continue;
      if (fault.match !== undefined && String(key) !== String(fault.match)) continue;
      if (this.#strikes(fault)) return fault;
    }
    return null;
  }
}
