// multipart: a $batch body as OData 4.0 has it: multipart/mixed, each part one HTTP request, or a change
// set of them. Strict: lines end with CRLF, a part says what it is, nothing stands between the parts.

export class Malformed extends Error {}

const TOKEN = /^[A-Za-z0-9'()+_,\-./:=?]{1,70}$/;

// The boundary of a multipart/mixed content type; null where it is another type.
export function boundaryOf(contentType) {
  const [type, ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  if (type.toLowerCase() !== 'multipart/mixed') return null;
  for (const parameter of parameters) {
    const match = /^boundary=(?:"([^"]*)"|(\S*))$/i.exec(parameter);
    if (!match) continue;
    const boundary = match[1] ?? match[2];
    if (!TOKEN.test(boundary)) throw new Malformed('The boundary of the multipart content is not valid.');
    return boundary;
  }
  throw new Malformed('The content type multipart/mixed has no boundary parameter.');
}

// Header lines up to the empty one: { headers, body }. The last line of a part without a body may end it.
function splitHeaders(text, what) {
  const headers = {};
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n');
    const line = end < 0 ? rest : rest.slice(0, end);
    if (line.includes('\n') || line.includes('\r'))
      throw new Malformed(`A line of ${what} does not end with CRLF.`);
    rest = end < 0 ? '' : rest.slice(end + 2);
    if (line === '') return { headers, body: rest };
    const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (!match) throw new Malformed(`"${line.slice(0, 60)}" is no header of ${what}.`);
    const name = match[1].toLowerCase();
    if (Object.hasOwn(headers, name)) throw new Malformed(`${what} has the header ${match[1]} twice.`);
    headers[name] = match[2];
  }
}

// The texts between the delimiters.
function splitParts(text, boundary) {
  const parts = [];
  const delimiter = `--${boundary}`;
  let at = text.startsWith(delimiter) ? 0 : text.indexOf(`\r\n${delimiter}`);
  if (at < 0) throw new Malformed(`The boundary "${boundary}" does not occur in the content.`);
  if (text.slice(0, at).trim() !== '') throw new Malformed('There is text before the first boundary.');
  if (at > 0 || text.startsWith('\r\n')) at += 2;
  for (;;) {
    const after = at + delimiter.length;
    if (text.startsWith('--', after)) {
      if (text.slice(after + 2).trim() !== '') throw new Malformed('There is text after the last boundary.');
      return parts;
    }
    const lineEnd = /^[ \t]*\r\n/.exec(text.slice(after, after + 80));
    if (!lineEnd) throw new Malformed('A boundary line does not end with CRLF.');
    const start = after + lineEnd[0].length;
    const next = text.indexOf(`\r\n${delimiter}`, start - 2);
    if (next < 0) throw new Malformed('The last boundary is missing.');
    parts.push(text.slice(start, Math.max(start, next)));
    at = next + 2;
  }
}

function parseRequest(headers, content) {
  if (headers['content-transfer-encoding']?.toLowerCase() !== 'binary') {
    throw new Malformed('A part of type application/http needs Content-Transfer-Encoding: binary.');
  }
  const end = content.indexOf('\r\n');
  const line = end < 0 ? content : content.slice(0, end);
  const match = /^(GET|POST|PATCH|PUT|DELETE) (\S+) HTTP\/1\.1$/.exec(line);
  if (!match) throw new Malformed(`"${line.slice(0, 80)}" is no request line.`);
  const { headers: own, body } = splitHeaders(end < 0 ? '' : content.slice(end + 2), 'a request');
  return {
    method: match[1],
    url: match[2],
    headers: own,
    body: body.replace(/(\r\n)+$/, ''),
    id: headers['content-id'],
  };
}

function parsePart(text, inChangeSet) {
  const { headers, body } = splitHeaders(text, 'a part');
  const type = (headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (type === 'application/http') return { request: parseRequest(headers, body) };
  if (type === 'multipart/mixed' && !inChangeSet)
    return { changeSet: parseChangeSet(headers['content-type'], body) };
  throw new Malformed(
    `A part of type "${type}" is not allowed ${inChangeSet ? 'in a change set' : 'in a batch'}.`,
  );
}

function parseChangeSet(contentType, body) {
  const seen = new Set();
  return splitParts(body, boundaryOf(contentType)).map((text) => {
    const { request } = parsePart(text, true);
    if (request.method === 'GET') throw new Malformed('A change set cannot contain GET requests.');
    if (!request.id) throw new Malformed('A request of a change set needs a Content-ID.');
    if (seen.has(request.id)) throw new Malformed(`The Content-ID ${request.id} is there twice.`);
    seen.add(request.id);
    return request;
  });
}

// The parts of a batch in order: { request } or { changeSet: [requests] }; a request is
// { method, url, headers, body, id }.
export function parseBatch(text, boundary) {
  const parts = splitParts(text, boundary).map((part) => parsePart(part, false));
  if (parts.length === 0) throw new Malformed('The batch has no requests.');
  return parts;
}

function statusText(status) {
  const texts = {
    200: 'OK',
    201: 'Created',
    204: 'No Content',
    304: 'Not Modified',
    400: 'Bad Request',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not Found',
    405: 'Method Not Allowed',
    412: 'Precondition Failed',
    413: 'Payload Too Large',
    415: 'Unsupported Media Type',
    429: 'Too Many Requests',
    500: 'Internal Server Error',
    503: 'Service Unavailable',
  };
  return texts[status] ?? 'Error';
}

// One answer as a part: { status, headers, body, id }.
function formatPart({ status, headers = {}, body = '', id }) {
  const lines = ['Content-Type: application/http', 'Content-Transfer-Encoding: binary'];
  if (id !== undefined) lines.push(`Content-ID: ${id}`);
  lines.push('', `HTTP/1.1 ${status} ${statusText(status)}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  lines.push('', body);
  return lines.join('\r\n');
}

function wrap(parts, boundary) {
  return `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`;
}

// The answers of a batch: { answer } or { changeSet: [answers] }; makeId() names the change sets.
export function formatBatch(answers, boundary, makeId) {
  return wrap(
    answers.map(({ answer, changeSet }) => {
      if (answer) return formatPart(answer);
      const inner = `changesetresponse_${makeId()}`;
      return `Content-Type: multipart/mixed; boundary=${inner}\r\n\r\n${wrap(changeSet.map(formatPart), inner)}`;
    }),
    boundary,
  );
}
