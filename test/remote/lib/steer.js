// steer: one stand-in as a check of it steers it: at the server whose URL is the script's first argument,
// or at one of its own.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const TRIES = 200;

async function asked(url, options) {
  const response = await fetch(url, options);
  const body = await response.json();
  if (!response.ok) throw new Error(`${url}: ${body.error}`);
  return body;
}

// A server that ends with this process; its URL.
async function ownServer() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stand-in-'));
  const file = path.join(directory, 'port');
  const server = spawn(
    process.execPath,
    [fileURLToPath(new URL('../server.js', import.meta.url)), '--port-file', file],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  );
  server.unref();
  server.stdin.unref();
  process.on('exit', () => server.kill());
  for (let i = 0; i < TRIES && !fs.existsSync(file); i += 1) await delay(25);
  const port = fs.readFileSync(file, 'utf8').trim();
  fs.rmSync(directory, { recursive: true });
  return `http://127.0.0.1:${port}`;
}

export async function steer(api) {
  const given = process.argv[2];
  const base = given?.startsWith('http') ? given : await ownServer();
  const at = (verb) => `${base}/_control/${api}/${verb}`;
  const post = (verb, body = {}) => asked(at(verb), { method: 'POST', body: JSON.stringify(body) });
  return {
    url: `${base}/${api}`,
    control: post,
    configure: (config) => post('config', config),
    counters: () => asked(at('counters')),
    records: async (object) => (await asked(at(`records?object=${object}`))).records,
    history: async (object) => (await asked(at(`history?object=${object}`))).history,
    async reset(config) {
      await post('reset');
      await post('config', config);
    },
  };
}
