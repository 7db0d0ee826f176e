// odata: entity paths with keys, and $filter, as far as a client of records needs them.

export class BadQuery extends Error {}

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

export function isGuid(text) {
  return GUID.test(text);
}

// A literal as OData writes it, to a value; undefined where it is none.
function literal(text) {
  if (/^'(?:[^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  if (GUID.test(text)) return text.toLowerCase();
  if (TIME.test(text)) return text;
  return undefined;
}

// "a='x',b=2" to a Map of values, or a GUID to { id }.
function parseKeys(text) {
  if (GUID.test(text)) return { id: text.toLowerCase() };
  const keys = new Map();
  let rest = text;
  while (rest !== '' || keys.size === 0) {
    const match = /^([A-Za-z_]\w*)=('(?:[^']|'')*'|[^',]+)(,(?=.)|$)/.exec(rest);
    const value = match ? literal(match[2]) : undefined;
    if (value === undefined || value === null || keys.has(match[1]))
      throw new BadQuery('Bad Request - Error in query syntax.');
    keys.set(match[1], value);
    rest = rest.slice(match[0].length);
  }
  return { keys };
}

// "accounts", "accounts(GUID)" or "accounts(key='v')", decoded already: { set, id } or { set, keys }.
export function parseEntityPath(text) {
  const match = /^([A-Za-z_]\w*)(?:\((.*)\))?$/s.exec(text);
  if (!match) throw new BadQuery('Bad Request - Error in query syntax.');
  return match[2] === undefined ? { set: match[1] } : { set: match[1], ...parseKeys(match[2]) };
}

const TOKENS = /\s*(\(|\)|,|=|\[|\]|'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s(),=[\]'"]+)/y;

function tokenize(text) {
  const tokens = [];
  const trimmed = text.trim();
  TOKENS.lastIndex = 0;
  while (TOKENS.lastIndex < trimmed.length) {
    const match = TOKENS.exec(trimmed);
    if (!match) throw new BadQuery('Syntax error in $filter.');
    tokens.push(match[1]);
  }
  return tokens;
}

// How two values of a column stand to each other; strings without regard to case, as the database has it.
function compare(left, right) {
  if (typeof left === 'string' && typeof right === 'string') {
    if (TIME.test(left) && TIME.test(right)) return Math.sign(Date.parse(left) - Date.parse(right));
    const [a, b] = [left.toLowerCase(), right.toLowerCase()];
    return a < b ? -1 : Number(a > b);
  }
  if (typeof left !== typeof right) return NaN;
  return left < right ? -1 : Number(left > right);
}

const OPERATORS = {
  eq: (left, right) => (left ?? null) === (right ?? null) || compare(left, right) === 0,
  ne: (left, right) => !OPERATORS.eq(left, right),
  gt: (left, right) => compare(left, right) > 0,
  ge: (left, right) => compare(left, right) >= 0,
  lt: (left, right) => compare(left, right) < 0,
  le: (left, right) => compare(left, right) <= 0,
};

// A test knows, where it can, of which column a row has to have one of which values: so most rows need
// not be looked at.
function narrowed(test, among) {
  return among ? Object.assign(test, { among }) : test;
}

function union(tests) {
  const [first] = tests;
  if (!tests.every(({ among }) => among && among.column === first.among?.column)) return undefined;
  return { column: first.among.column, values: tests.flatMap(({ among }) => among.values) };
}

class Filter {
  // check(column) throws where there is no such column.
  constructor(text, check) {
    this.tokens = tokenize(text);
    this.at = 0;
    this.check = check;
  }

  peek() {
    return this.tokens[this.at];
  }

  take(wanted) {
    const token = this.tokens[this.at];
    if (token === undefined || (wanted !== undefined && token !== wanted)) {
      throw new BadQuery(`Syntax error in $filter at ${token === undefined ? 'its end' : `"${token}"`}.`);
    }
    this.at += 1;
    return token;
  }

  whole() {
    const test = this.either();
    if (this.peek() !== undefined) this.take('');
    return test;
  }

  either() {
    const tests = [this.both()];
    while (this.peek() === 'or') {
      this.take();
      tests.push(this.both());
    }
    return narrowed((row) => tests.some((test) => test(row)), union(tests));
  }

  both() {
    const tests = [this.one()];
    while (this.peek() === 'and') {
      this.take();
      tests.push(this.one());
    }
    return narrowed(
      (row) => tests.every((test) => test(row)),
      tests.map(({ among }) => among).findLast(Boolean),
    );
  }

  one() {
    if (this.peek() === '(') {
      this.take();
      const test = this.either();
      this.take(')');
      return test;
    }
    if (this.peek() === 'not') {
      this.take();
      const test = this.one();
      return (row) => !test(row);
    }
    if (this.peek() === 'Microsoft.Dynamics.CRM.In') return this.among();
    const column = this.take();
    this.check(column);
    const operator = OPERATORS[this.take()];
    const text = this.take();
    const value = literal(text);
    if (!operator || value === undefined) throw new BadQuery(`Syntax error in $filter at "${text}".`);
    const among = operator === OPERATORS.eq && value !== null ? { column, values: [value] } : undefined;
    return narrowed((row) => operator(row[column], value), among);
  }

  // Microsoft.Dynamics.CRM.In(PropertyName='x',PropertyValues=['a','b'])
  among() {
    this.take();
    this.take('(');
    this.take('PropertyName');
    this.take('=');
    const column = literal(this.take());
    this.check(column);
    for (const token of [',', 'PropertyValues', '=', '[']) this.take(token);
    const values = [];
    while (this.peek() !== ']') {
      if (values.length > 0) this.take(',');
      const text = this.take();
      const value = literal(text.startsWith('"') ? `'${JSON.parse(text).replaceAll("'", "''")}'` : text);
      if (typeof value !== 'string') throw new BadQuery('PropertyValues is a list of strings.');
      values.push(value);
    }
    this.take(']');
    this.take(')');
    return (row) =>
      values.some((value) => OPERATORS.eq(row[column] === null ? null : String(row[column]), value));
  }
}

// $filter as a test of a row.
export function parseFilter(text, check) {
  return new Filter(text, check).whole();
}
