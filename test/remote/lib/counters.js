// counters: how many requests, records and tokens there were, and what was refused for which reason.

function add(object, key, by = 1) {
  object[key] = (object[key] ?? 0) + by;
}

export class Counters {
  constructor() {
    this.total = 0;
    this.requests = {}; // kind -> status -> requests; status 0 for those that got no answer
    this.records = { created: 0, updated: 0, deleted: 0, refused: 0 };
    this.tokens = { issued: 0, refused: 0, reused: 0 };
    this.refused = {}; // reason -> how often: of requests and of records
    this.faults = {}; // kind of fault -> how often
    this.inFlight = 0;
    this.inFlightMax = 0;
    this.held = 0;
  }

  arrive() {
    this.total += 1;
    this.inFlight += 1;
    if (this.inFlight > this.inFlightMax) this.inFlightMax = this.inFlight;
  }

  leave() {
    this.inFlight -= 1;
  }

  answered(kind, status) {
    this.requests[kind] ??= {};
    add(this.requests[kind], status);
  }

  // A write that was applied: 'create', 'update' or 'delete'; others are not the writer's and not counted.
  wrote(action) {
    if (`${action}d` in this.records) this.records[`${action}d`] += 1;
  }

  refuse(reason) {
    add(this.refused, reason);
  }

  refuseRecord(reason) {
    this.records.refused += 1;
    add(this.refused, reason);
  }

  fault(kind) {
    add(this.faults, kind);
  }

  report() {
    const { inFlight, inFlightMax, ...rest } = this;
    const applied = this.records.created + this.records.updated;
    return { ...rest, in_flight: inFlight, in_flight_max: inFlightMax, applied };
  }
}
