// server: stand-ins of the remote APIs, one process for all of them. Each api/NAME.js answers below
// /NAME as the real API does below its host, and keeps what was written; /_control steers and shows.
// It ends with its parent, and when its stdin, where that is a pipe, is closed.
//
// usage: node server.js --port-file FILE [--port N] [--tls CERT KEY]
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { makeHandler } from './lib/router.js';
import { loadWorlds } from './lib/world.js';

const USAGE = 'usage: node server.js --port-file FILE [--port N] [--tls CERT KEY]';

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
function announce(file, port) {
  const unfinished = `${file}.${process.pid}`;
  fs.writeFileSync(unfinished, `${port}\n`);
  fs.renameSync(unfinished, file);
}

async function main() {
  const options = readArguments(process.argv.slice(2));
  const handler = makeHandler(await loadWorlds());
  const server = options.cert
    ? https.createServer({ cert: options.cert, key: options.key }, handler)
    : http.createServer(handler);

  endWithParent();
  server.keepAliveTimeout = 600_000;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  server.on('error', (error) => {
    process.stderr.write(`server: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(options.port, '127.0.0.1', 1024, () => announce(options.portFile, server.address().port));
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
});
