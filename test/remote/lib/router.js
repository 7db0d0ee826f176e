// router: takes a request's body, finds the world it is for, lets faults have their way with it, and
// sends the answer.
import zlib from 'node:zlib';

import { Call } from './call.js';
import { control } from './control.js';

const JSON_TYPE = 'application/json;charset=UTF-8';

// What goes over the wire of an answer.
function encoded(answer) {
  const { body } = answer;
  const headers = { ...answer.headers };
  let bytes = body ?? '';
  if (typeof bytes !== 'string' && !Buffer.isBuffer(bytes)) bytes = JSON.stringify(bytes);
  if (body !== undefined && headers['Content-Type'] === undefined) {
    headers['Content-Type'] = typeof body === 'string' ? 'text/plain;charset=UTF-8' : JSON_TYPE;
  }
  if (answer.status !== 204) headers['Content-Length'] = Buffer.byteLength(bytes);
  return { status: answer.status, headers, bytes };
}

function send(response, answer) {
  if (response.destroyed) return;
  const { status, headers, bytes } = encoded(answer);
  response.writeHead(status, headers);
  response.end(bytes);
}

function resetConnection(response) {
  if (response.socket && !response.socket.destroyed) response.socket.resetAndDestroy();
}

// The headers and half of the body, and then no more.
function breakOff(response, answer) {
  const { status, headers, bytes } = encoded(answer);
  const whole = Buffer.from(bytes);
  response.writeHead(status, headers);
  response.write(whole.subarray(0, whole.length >> 1), () => resetConnection(response));
}

function withHeaders(answer, call, world) {
  if (!world.api.headers) return answer;
  return { ...answer, headers: { ...world.api.headers(call, world), ...answer.headers } };
}

function deliver(world, call, response, answer, fault) {
  const kind = fault?.kind;
  const silent = kind === 'hang' || kind === 'timeout' || kind === 'close';
  const status = silent || kind === 'reset' ? 0 : answer.status;
  world.counters.answered(call.kind, status);
  world.capture(call, status);
  if (kind === 'hang' || kind === 'timeout') return;
  const act = () => {
    if (kind === 'close') resetConnection(response);
    else if (kind === 'reset') breakOff(response, answer);
    else send(response, answer);
  };
  const delay = fault?.delay_ms ?? world.config.delay_ms;
  if (delay > 0) setTimeout(act, delay);
  else act();
}

function take(world, call, response) {
  const fault = world.faults.draw(call);
  const isStatus = fault !== null && /^\d/.test(fault.kind);
  const goOn = () => {
    const applied = !fault || fault.apply || fault.kind === 'hold';
    let answer = applied ? world.answer(call) : null;
    if (isStatus || answer === null) {
      answer = isStatus ? world.refuse('fault', fault, call) : { status: 500 };
    }
    deliver(world, call, response, withHeaders(answer, call, world), fault);
  };
  if (fault?.kind !== 'hold') {
    goOn();
  } else if (fault.apply) {
    const answer = withHeaders(world.answer(call), call, world);
    world.hold(() => deliver(world, call, response, answer, fault));
  } else {
    world.hold(goOn);
  }
}

function serve(worlds, request, response, body) {
  const [, prefix, path, search] = /^\/([^/?]*)([^?]*)(?:\?(.*))?$/s.exec(request.url) ?? ['', '', '', ''];
  const scheme = request.socket.encrypted ? 'https' : 'http';
  const call = new Call({
    method: request.method,
    path,
    search: search ?? '',
    headers: request.headers,
    body,
    base: `${scheme}://${request.headers.host}/${prefix}`,
  });
  if (prefix === '_control') {
    send(response, control(worlds, call));
    return;
  }
  const world = worlds.get(prefix);
  if (!world) {
    send(response, { status: 404, body: `no stand-in is called "${prefix}"\n` });
    return;
  }
  call.kind = world.api.kind(call);
  const { counters } = world; // a reset has new ones
  counters.arrive();
  response.on('close', () => counters.leave());
  take(world, call, response);
}

function inflated(request, body) {
  const coding = request.headers['content-encoding'];
  return coding === 'gzip' || coding === 'deflate' ? zlib.unzipSync(body) : body;
}

export function makeHandler(worlds) {
  return (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('error', () => response.destroy());
    request.on('end', () => {
      try {
        serve(worlds, request, response, inflated(request, Buffer.concat(chunks)));
      } catch (error) {
        process.stderr.write(`${request.method} ${request.url}: ${error.stack}\n`);
        if (!response.headersSent) send(response, { status: 599, body: `stand-in: ${error.stack}\n` });
      }
    });
  };
}
