// Starts and stops the gateway's own binary, for scenarios in which it has to come back.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

// How long a start or a drain may take, in milliseconds. Compiling the policy for the first time is part of a start.
const PATIENCE = 30_000;

/** A folder that a gateway keeps its state in; `remove` takes it away. */
export function nodeDir() {
  const path = mkdtempSync(join(tmpdir(), 'wampgate-browser-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

const BINARY = resolve(process.env.WAMPGATE_BIN ?? 'target/debug/wampgate');

/** Runs a gateway with the built-in page and a cookie store until `stop` is called. Port 0 means any free one. */
export function startPage(node, store, port = 0) {
  writeFileSync(join(node.path, 'config.json'), JSON.stringify({
    transports: [{
      type: 'web',
      endpoint: { type: 'tcp', interface: '127.0.0.1', port },
      paths: { '/': { type: 'page' }, ws: { type: 'websocket', cookie: { store } } },
    }],
  }));
  return start(['--node-dir', node.path]);
}

/** Runs a gateway with these arguments until `stop` is called. */
export async function start(args) {
  const child = spawn(BINARY, ['run', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const gone = new Promise((ended) => {
    child.on('exit', (code, signal) => ended(code ?? signal));
    child.on('error', (error) => ended(error.message));
  });
  const ready = new Promise((listening) => {
    const read = (chunk) => {
      output += chunk;
      const found = /listening on (http:\/\/127\.0\.0\.1:(\d+))/.exec(output);
      if (found) listening({ origin: found[1], port: Number(found[2]) });
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
  });
  const killAtExit = () => child.kill('SIGKILL');
  process.on('exit', killAtExit);
  const stop = async () => {
    child.kill('SIGTERM');
    const code = await within(gone, 'the gateway to stop', () => output);
    process.off('exit', killAtExit);
    if (code !== 0) throw new Error(`the gateway ended with ${code}:\n${output}`);
  };
  const place = await within(Promise.race([
    ready,
    gone.then((code) => { throw new Error(`the gateway ended with ${code}:\n${output}`); }),
  ]), 'the gateway to listen', () => output).catch((error) => {
    child.kill('SIGKILL');
    throw error;
  });
  return { ...place, stop, output: () => output };
}

async function within(promise, what, output) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}:\n${output()}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
