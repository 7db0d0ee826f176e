// A $batch body is read to the letter, and what is no such body is refused with the reason.
import assert from 'node:assert/strict';
import test from 'node:test';

import { boundaryOf, formatBatch, Malformed, parseBatch } from '../api/dynamics/multipart.js';

const HEAD = 'Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n';

function part(request, head = HEAD) {
  return `${head}\r\n${request}\r\n`;
}

function body(...parts) {
  return `${parts.map((one) => `--b\r\n${one}`).join('')}--b--\r\n`;
}

const PATCH =
  'PATCH /x(k=\'a\') HTTP/1.1\r\nContent-Type: application/json\r\nIf-Match: *\r\n\r\n{"n":1}\r\n';
const GET = 'GET x?$select=n HTTP/1.1\r\nAccept: application/json\r\n';

test('requests are read in order, with their headers and bodies', () => {
  const [first, second] = parseBatch(body(part(PATCH), part(GET)), 'b');
  assert.deepEqual(first.request, {
    method: 'PATCH',
    url: "/x(k='a')",
    id: undefined,
    body: '{"n":1}',
    headers: { 'content-type': 'application/json', 'if-match': '*' },
  });
  assert.equal(second.request.url, 'x?$select=n');
  assert.equal(second.request.body, '');
});

test('a change set is a part of parts, each with an id of its own', () => {
  const inner = (...ids) =>
    `Content-Type: multipart/mixed; boundary="c"\r\n\r\n${ids
      .map((id) => `--c\r\n${part(PATCH, `${HEAD}${id}`)}`)
      .join('')}--c--\r\n`;
  const [{ changeSet }] = parseBatch(body(inner('Content-ID: 1\r\n', 'Content-ID: 2\r\n')), 'b');
  assert.deepEqual(
    changeSet.map(({ id }) => id),
    ['1', '2'],
  );
  assert.throws(() => parseBatch(body(inner('Content-ID: 1\r\n', 'Content-ID: 1\r\n')), 'b'), /there twice/);
  assert.throws(() => parseBatch(body(inner('')), 'b'), /needs a Content-ID/);
});

test('what is no batch is refused', () => {
  const wrong = [
    [body(part(PATCH)).replaceAll('\r\n', '\n'), /boundary line does not end/],
    [body(part(PATCH)).replace('--b--', '--b'), /last boundary is missing/],
    [`x\r\n${body(part(PATCH))}`, /before the first/],
    [`${body(part(PATCH))}x`, /after the last/],
    [body(part(PATCH, 'Content-Type: application/http\r\n')), /Content-Transfer-Encoding/],
    [body(part(PATCH, 'Content-Transfer-Encoding: binary\r\n')), /type "" is not allowed/],
    [body(part(PATCH.replace(' HTTP/1.1', ''))), /no request line/],
    [body(part(PATCH.replace('If-Match: *', 'If-Match *'))), /no header/],
    [body(part(PATCH.replace('If-Match: *', 'content-type: a'))), /twice/],
    [body(part(PATCH.replace('\r\nIf-Match', '\nIf-Match'))), /does not end with CRLF/],
    ['--b--\r\n', /no requests/],
    ['', /does not occur/],
  ];
  for (const [text, message] of wrong)
    assert.throws(
      () => parseBatch(text, 'b'),
      (error) => error instanceof Malformed && message.test(error.message),
      text,
    );
});

test('the boundary is that of the content type', () => {
  assert.equal(boundaryOf('multipart/mixed;boundary=batch_1'), 'batch_1');
  assert.equal(boundaryOf('multipart/mixed; boundary="batch 1"'.replace(' 1', '_1')), 'batch_1');
  assert.equal(boundaryOf('application/json'), null);
  assert.throws(() => boundaryOf('multipart/mixed'), Malformed);
  assert.throws(() => boundaryOf('multipart/mixed; boundary='), Malformed);
});

test('answers have the same form', () => {
  const text = formatBatch(
    [{ answer: { status: 204, headers: { A: 'b' }, id: '7' } }, { changeSet: [{ status: 400, body: '{}' }] }],
    'r',
    () => 'n',
  );
  assert.equal(
    text,
    '--r\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 7\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\nA: b\r\n\r\n\r\n--r\r\nContent-Type: multipart/mixed; boundary=changesetresponse_n\r\n\r\n' +
      '--changesetresponse_n\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n' +
      'HTTP/1.1 400 Bad Request\r\n\r\n{}\r\n--changesetresponse_n--\r\n\r\n--r--\r\n',
  );
});
