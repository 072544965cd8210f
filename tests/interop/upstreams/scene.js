// A gateway with servers behind it, each in a process of its own, and clients that log in at it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { Inbox, soon } from '../wampyjs/run.js';

const HERE = dirname(fileURLToPath(import.meta.url));

// How long a program may take to listen, in milliseconds. Compiling the policy for the first time is part of it.
const START = 30_000;

const PRINCIPALS = { joe: { ticket: 'ticket-of-joe', role: 'member' }, ann: { ticket: 'ticket-of-ann', role: 'member' } };

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The folder and the processes of a run. `close` ends and removes them. */
export class Scene {
  folder = mkdtempSync(join(tmpdir(), 'wampgate-upstreams-'));
  #processes = new Map();

  constructor(binary, python) {
    Object.assign(this, { binary, python });
    process.on('exit', () => this.close());
  }

  close() {
    for (const child of this.#processes.values()) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Starts a program and waits until it takes connections at the port. */
  async start(name, command, args, port) {
    const child = spawn(command, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#processes.set(name, child);
    let output = '';
    child.stdout.on('data', (data) => { output += data; });
    child.stderr.on('data', (data) => { output += data; });
    child.on('error', (error) => { output += error.message; });
    for (const deadline = Date.now() + START; ;) {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      if (answer !== undefined) return child;
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${name} does not listen:\n${output}`);
      await new Promise((later) => setTimeout(later, 50));
    }
  }

  async stop(name, signal = 'SIGKILL') {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** A server of this folder, at a free port or the one given. */
  async serve(name, script, port) {
    const chosen = port ?? await freePort();
    const program = script.endsWith('.py') ? this.python : process.execPath;
    await this.start(name, program, [join(HERE, script), String(chosen)], chosen);
    return chosen;
  }

  /** Python's own server of files. */
  async servePythonFiles(root) {
    const port = await freePort();
    await this.start('http.server', this.python, ['-m', 'http.server', String(port), '--bind', '127.0.0.1', '--directory', root], port);
    return port;
  }

  /** nginx as a server of files, with compression. */
  async serveNginxFiles(root) {
    const port = await freePort();
    writeFileSync(join(this.folder, 'nginx.conf'), `
      pid nginx.pid; error_log stderr; worker_processes 1; daemon off;
      events {}
      http {
        access_log off; gzip on; gzip_types text/plain application/json; types { text/html html; text/plain txt; }
        client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        server { listen 127.0.0.1:${port}; root ${root}; autoindex on; absolute_redirect off; }
      }`);
    await this.start('nginx', 'nginx', ['-p', this.folder, '-c', 'nginx.conf'], port);
    return port;
  }

  /** A gateway whose paths lead to these addresses: `{ path: { type, address, … } }`. */
  async serveGateway(paths) {
    this.port = await freePort();
    const node = join(this.folder, 'node');
    mkdirSync(node, { recursive: true });
    const behind = ({ address, ...rest }) => ({
      websocket: '/ws', upstream: { addresses: [address] }, headers: { authid: 'Remote-User', authrole: 'Remote-Groups' }, ...rest,
    });
    writeFileSync(join(node, 'config.json'), JSON.stringify({
      transports: [{
        type: 'web',
        endpoint: { type: 'tcp', interface: '127.0.0.1', port: this.port },
        paths: {
          '/': { type: 'page' },
          ws: { type: 'websocket', cookie: { store: { type: 'memory' } }, auth: { ticket: { type: 'static', principals: PRINCIPALS }, cookie: {} } },
          ...Object.fromEntries(Object.entries(paths).map(([path, entry]) => [path, behind(entry)])),
        },
      }],
    }));
    await this.start('gateway', this.binary, ['run', '--node-dir', node], this.port);
  }

  /** Removes the cookies of a principal, as an operator does it. */
  async revoke(authid) {
    const command = spawn(this.binary, ['cookies', 'revoke', '--authid', authid, '--yes', '--node-dir', join(this.folder, 'node')], { stdio: 'inherit' });
    const [code] = await once(command, 'exit');
    if (code !== 0) throw new Error(`cookies revoke ended with ${code}`);
  }

  /** Logs in with a ticket. The visitor keeps its session open until it logs out. */
  async login(authid) {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}/ws`, 'wamp.2.json');
    const messages = new Inbox();
    let cookie;
    socket.on('upgrade', ({ headers }) => { [cookie] = headers['set-cookie'][0].split(';'); });
    socket.on('message', (data) => messages.push(JSON.parse(data)));
    await soon(once(socket, 'open'), 'the gateway');
    const ask = async (message, type) => {
      socket.send(JSON.stringify(message));
      const answer = await messages.next(`an answer to ${message}`);
      if (answer[0] !== type) throw new Error(`${JSON.stringify(answer)} to ${message}`);
    };
    await ask([1, 'realm1', { roles: { caller: {} }, authmethods: ['ticket'], authid }], 4);
    await ask([5, PRINCIPALS[authid].ticket, {}], 2);
    return { cookie, logout: () => ask([6, {}, 'wamp.close.logout'], 6) };
  }
}
