// call: one request as an API sees it, its body parsed at most once.

// A part of a path that does not decode stays as it is: the API will not know it.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export class Call {
  #segments;
  #query;
  #text;
  #json;
  #form;

  // path is what stands behind the API's prefix; base is the URL up to there.
  constructor({ method, path, search, headers, body, base }) {
    this.method = method;
    this.path = path;
    this.search = search;
    this.headers = headers;
    this.body = body;
    this.base = base;
    this.kind = '';
  }

  // "/a/b%20c/" is ["a", "b c"].
  get segments() {
    this.#segments ??= this.path.split('/').filter((part) => part !== '').map(decoded);
    return this.#segments;
  }

  get query() {
    this.#query ??= new URLSearchParams(this.search);
    return this.#query;
  }

  header(name) {
    return this.headers[name.toLowerCase()];
  }

  // The media type without its parameters, in lower case; '' where none was sent.
  get mediaType() {
    return (this.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  }

  get text() {
    this.#text ??= this.body.toString('utf8');
    return this.#text;
  }

  // The body as JSON; undefined where it is none.
  get json() {
    if (this.#json === undefined) {
      try {
        this.#json = { value: JSON.parse(this.text) };
      } catch {
        this.#json = { value: undefined };
      }
    }
    return this.#json.value;
  }

  get form() {
    this.#form ??= new URLSearchParams(this.text);
    return this.#form;
  }
}

export function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
