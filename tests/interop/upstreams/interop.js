// Applications as people have them, behind the gateway: a server of the npm package `ws` and one of the PyPI package `websockets`,
// Socket.IO and Phoenix with their own clients, Python's and nginx's servers of files.
//
//     node interop.js GATEWAY-BINARY PYTHON-WITH-WEBSOCKETS
//
// What concerns messages is tried without the gateway as well, so that a fault of the program is not taken for one of the gateway.
// Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { spawnSync } from 'node:child_process';
import { runAll } from '../wampyjs/run.js';
import { BEHIND, locked } from './behind.js';
import { files, makeFiles } from './files.js';
import { MESSAGES } from './messages.js';
import { phoenix } from './phoenix.js';
import { Scene } from './scene.js';
import { socketio } from './socketio.js';

// The whole run, in milliseconds; each step has its own limit, so this only catches what hangs.
const TIMEOUT = 180_000;

const [, , binary, python] = process.argv;
if (python === undefined) {
  console.error('usage: interop.js GATEWAY-BINARY PYTHON-WITH-WEBSOCKETS');
  process.exit(2);
}
const scene = new Scene(binary, python);

const applications = { ws: await scene.serve('ws', 'echo_ws.js'), websockets: await scene.serve('websockets', 'echo_websockets.py') };
const socketioPort = await scene.serve('socketio', 'echo_socketio.js');
const phoenixPort = await scene.serve('phoenix', 'echo_phoenix.js');
const root = makeFiles(scene.folder);
const servers = { python: await scene.servePythonFiles(root) };
if (spawnSync('nginx', ['-v']).error === undefined) servers.nginx = await scene.serveNginxFiles(root);
else console.log('nginx is not installed, and left out');

const proxy = (port) => ({ type: 'proxy', address: `http://127.0.0.1:${port}` });
const tunnel = (port, path = '') => ({ type: 'websocket-proxy', address: `ws://127.0.0.1:${port}${path}` });
const paths = {
  'sio': proxy(socketioPort),
  'sio-ws': tunnel(socketioPort, '/socket.io'),
  'sio-locked': { ...proxy(socketioPort), require: 'authenticated' },
  'phx': proxy(phoenixPort),
  'phx-ws': tunnel(phoenixPort, '/socket'),
  'phx-locked': { ...tunnel(phoenixPort, '/socket'), require: 'authenticated' },
  'locked': { ...tunnel(applications.ws), require: 'authenticated' },
};
for (const [name, port] of Object.entries(applications)) Object.assign(paths, { [`app-${name}`]: tunnel(port), [`app-${name}-http`]: proxy(port) });
for (const [name, port] of Object.entries(servers)) paths[name] = proxy(port);
await scene.serveGateway(paths);

function* scenarios() {
  const origin = `ws://127.0.0.1:${scene.port}`;
  for (const [name, port] of Object.entries(applications)) {
    const ways = { [`${name} itself`]: `ws://127.0.0.1:${port}/`, [`${name} behind websocket-proxy`]: `${origin}/app-${name}`, [`${name} behind proxy`]: `${origin}/app-${name}-http` };
    for (const [way, url] of Object.entries(ways)) {
      for (const [what, run] of Object.entries(MESSAGES)) yield [`${way}: ${what}`, () => run(url)];
      if (url.startsWith(origin)) for (const [what, run] of Object.entries(BEHIND)) yield [`${way}: ${what}`, () => run(scene, url)];
    }
  }
  yield ['a path that wants a login', () => locked(scene, `${origin}/locked`)];
  yield* socketio(scene);
  yield* phoenix(scene, phoenixPort);
  yield* files(scene, servers);
}

await runAll('upstreams', scenarios, TIMEOUT);
