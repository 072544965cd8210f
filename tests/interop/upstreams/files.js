// Servers of files: each answer through the gateway is the one without it.

import { strict as assert } from 'node:assert';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request as begin } from 'node:http';
import { join } from 'node:path';
import { soon } from '../wampyjs/run.js';

// Headers that belong to one moment or one connection, and the name of the program that answers.
const PASSING = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'server']);

/** A folder with files of all sizes. */
export function makeFiles(folder) {
  const root = join(folder, 'files');
  mkdirSync(join(root, 'sub'), { recursive: true });
  // Where nginx runs as root, its worker does not.
  chmodSync(folder, 0o755);
  writeFileSync(join(root, 'index.html'), '<!doctype html><title>files</title>');
  writeFileSync(join(root, 'empty.txt'), '');
  writeFileSync(join(root, 'text.txt'), 'grüße, мир\n'.repeat(5000));
  writeFileSync(join(root, 'a b+c%.txt'), 'a name with signs\n');
  writeFileSync(join(root, 'sub', 'small.txt'), 'small\n');
  writeFileSync(join(root, 'large.bin'), randomBytes(32 * 1024 * 1024));
  return root;
}

async function ask(base, path, { method = 'GET', headers = {}, body, agent } = {}) {
  const sent = begin(`${base}${path}`, { method, headers, agent });
  sent.end(body);
  const [answer] = await soon(once(sent, 'response'), `${method} ${path}`);
  const hash = createHash('sha256');
  let length = 0;
  for await (const data of answer) {
    hash.update(data);
    length += data.length;
  }
  const lasting = Object.entries(answer.headers).filter(([name]) => !PASSING.has(name)).sort();
  return { status: answer.statusCode, headers: lasting, length, hash: hash.digest('hex') };
}

const REQUESTS = [
  ['/'], ['/text.txt'], ['/empty.txt'], ['/sub/small.txt'], ['/sub/'], ['/sub'], ['/a%20b+c%25.txt'], ['/missing'], ['/text.txt?x=1&y=%2F'],
  ['/text.txt', { method: 'HEAD' }], ['/missing', { method: 'HEAD' }], ['/text.txt', { method: 'POST', body: 'x=1' }], ['/text.txt', { method: 'DELETE' }],
  ['/text.txt', { headers: { 'Accept-Encoding': 'gzip' } }], ['/text.txt', { headers: { Range: 'bytes=10-99' } }],
  ['/large.bin', { headers: { Range: 'bytes=-1000' } }], ['/text.txt', { headers: { Range: 'bytes=9999999-' } }], ['/large.bin'],
  ['/text.txt', { headers: { 'If-Modified-Since': new Date(Date.now() + 60_000).toUTCString() } }],
];

async function same(direct, proxied, mount) {
  for (const [target, options] of REQUESTS) {
    const [expected, got] = [await ask(direct, target, options), await ask(proxied, target, options)];
    // A redirect names the path as the server has it: the gateway changes no answers.
    assert.deepEqual(got, expected, `${JSON.stringify(options ?? {})} ${mount}${target}`);
  }
}

async function many(proxied) {
  // No more clients than wait for Python's server without being turned away for long.
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let number = 0; number < 50; number += 1) {
      const { status, length } = await ask(proxied, '/sub/small.txt', { agent });
      assert.equal(`${status} ${length}`, '200 6');
    }
  }));
  agent.destroy();
}

/** Through the paths of type `proxy` that have the servers' names. */
export function* files(scene, servers) {
  for (const [name, port] of Object.entries(servers)) {
    const proxied = `http://127.0.0.1:${scene.port}/${name}`;
    yield [`files of ${name}`, () => same(`http://127.0.0.1:${port}`, proxied, name)];
    yield [`many requests to ${name}`, () => many(proxied)];
  }
}
