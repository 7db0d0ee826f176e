// server: stand-ins of the remote APIs, one process for all of them. Each api/NAME.js answers below
// /NAME as the real API does below its host, and keeps what was written; /_control steers and shows.
// FILE gets the port; with TLS a second line has one without it, for those who only steer.
// It ends with its parent, and when its stdin, where that is a pipe, is closed.
//
// usage: node server.js --port-file FILE [--port N] [--tls CERT KEY]
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { makeHandler } from './lib/router.js';
import { loadWorlds } from './lib/world.js';

const USAGE = 'usage: node server.js --port-file FILE [--port N] [--tls CERT KEY]';
const MAX_HEADERS = 65536; // too long a URI is the API's to refuse

function readArguments(words) {
  const options = { port: 0 };
  const rest = [...words];
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === '--port-file' && rest.length >= 1) options.portFile = rest.shift();
    else if (word === '--port' && rest.length >= 1) options.port = Number(rest.shift());
    else if (word === '--tls' && rest.length >= 2) {
      options.cert = fs.readFileSync(rest.shift());
      options.key = fs.readFileSync(rest.shift());
    } else throw new Error(USAGE);
  }
  if (!options.portFile) throw new Error(USAGE);
  return options;
}

// The parent's end is seen by its pipe, or by our being handed to another.
function endWithParent() {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 500).unref();
  let stat;
  try {
    stat = fs.fstatSync(0);
  } catch {
    return;
  }
  if (stat.isFIFO() || stat.isSocket()) {
    process.stdin.on('end', () => process.exit(0));
    process.stdin.on('error', () => process.exit(0));
    process.stdin.resume();
  }
}

// Whoever waits for the file finds it whole.
function announce(file, ports) {
  const unfinished = `${file}.${process.pid}`;
  fs.writeFileSync(unfinished, ports.map((port) => `${port}\n`).join(''));
  fs.renameSync(unfinished, file);
}

// The port it listens on, in the end.
function listen(server, port) {
  server.keepAliveTimeout = 600_000;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', 1024, () => resolve(server.address().port));
  });
}

async function main() {
  const options = readArguments(process.argv.slice(2));
  const handler = makeHandler(await loadWorlds());
  const { cert, key } = options;
  const plain = () => http.createServer({ maxHeaderSize: MAX_HEADERS }, handler);

  endWithParent();
  const first = cert ? https.createServer({ cert, key, maxHeaderSize: MAX_HEADERS }, handler) : plain();
  const ports = [await listen(first, options.port)];
  if (cert) ports.push(await listen(plain(), 0));
  announce(options.portFile, ports);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
});
