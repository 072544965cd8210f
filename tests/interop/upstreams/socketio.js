// Socket.IO's own client, by polling, by polling that becomes a WebSocket, and by WebSocket alone.

import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { io } from 'socket.io-client';
import { Inbox, soon } from '../wampyjs/run.js';

const POLLING = ['polling'];
const UPGRADING = ['polling', 'websocket'];
const WEBSOCKET = ['websocket'];

function came(socket, event, what = event) {
  return soon(new Promise((resolve, reject) => {
    socket.once(event, resolve);
    if (event === 'connect') socket.once('connect_error', reject);
  }), what);
}

async function open(origin, path, transports, cookie) {
  const socket = io(origin, { path, transports, forceNew: true, reconnection: false, extraHeaders: cookie ? { Cookie: cookie } : {} });
  await came(socket, 'connect');
  if (transports === UPGRADING && socket.io.engine.transport.name !== 'websocket') {
    await soon(new Promise((resolve) => socket.io.engine.once('upgrade', resolve)), 'the upgrade to a WebSocket');
  }
  return socket;
}

const ask = (socket, ...args) => socket.timeout(10_000).emitWithAck(...args);

async function traffic(scene, origin, path, transports) {
  const joe = await scene.login('joe');
  const [one, two] = [await open(origin, path, transports, `${joe.cookie}; theme=dark`), await open(origin, path, transports)];
  const who = await ask(one, 'who');
  assert.deepEqual(who, { user: 'joe', cookie: 'theme=dark', transport: transports.at(-1) });
  assert.equal((await ask(two, 'who')).user, '');

  assert.deepEqual(await ask(one, 'echo', { text: 'grüße 🚪', list: [1, [2, null]] }), { text: 'grüße 🚪', list: [1, [2, null]] });
  const data = randomBytes(2_000_000);
  assert.ok(data.equals(await ask(one, 'echo', data)), 'binary data came back changed');
  const answers = await Promise.all(Array.from({ length: 200 }, (_, number) => ask(two, 'echo', number)));
  assert.deepEqual(answers, answers.map((_, number) => number));

  await ask(one, 'enter', 'room');
  await ask(two, 'enter', 'room');
  const told = new Inbox();
  two.on('told', (...args) => told.push(args));
  for (let number = 0; number < 50; number += 1) one.emit('tell', 'room', number, Buffer.from([number]));
  for (let number = 0; number < 50; number += 1) assert.deepEqual(await told.next('an event'), [number, Buffer.from([number])]);

  one.on('question', (left, right, answer) => answer(left + right));
  assert.equal(await ask(one, 'ask me'), 42);

  // The server's heartbeats go on while nothing else passes.
  await soon(new Promise((resolve) => two.io.engine.once('heartbeat', () => two.io.engine.once('heartbeat', resolve))), 'two heartbeats');
  assert.ok(two.connected);

  const ended = came(two, 'disconnect');
  two.emit('leave me');
  assert.match(await ended, /^(io server disconnect|transport close)$/);

  const closed = came(one, 'disconnect', 'the end after the logout');
  await joe.logout();
  if (transports === POLLING) {
    // What polls is asked for its cookie again at each request, and is let in without a login here.
    one.close();
  } else {
    assert.equal(await closed, 'transport close');
  }
}

async function refusedAfterLogout(scene, origin, path) {
  const joe = await scene.login('joe');
  const socket = await open(origin, path, POLLING, joe.cookie);
  assert.equal(await ask(socket, 'echo', 'in'), 'in');
  const ended = came(socket, 'disconnect', 'the end after the logout');
  await joe.logout();
  assert.match(await ended, /^transport (error|close)$/);
  await assert.rejects(open(origin, path, POLLING, joe.cookie), ({ context }) => context.status === 401);
}

/** Through the path `sio` of type `proxy`, `sio-ws` of type `websocket-proxy`, and `sio-locked`, which wants a login. */
export function* socketio(scene) {
  const origin = `http://127.0.0.1:${scene.port}`;
  yield ['Socket.IO by polling', () => traffic(scene, origin, '/sio/socket.io', POLLING)];
  yield ['Socket.IO by polling and then a WebSocket', () => traffic(scene, origin, '/sio/socket.io', UPGRADING)];
  yield ['Socket.IO by a WebSocket through proxy', () => traffic(scene, origin, '/sio/socket.io', WEBSOCKET)];
  yield ['Socket.IO by a WebSocket through websocket-proxy', () => traffic(scene, origin, '/sio-ws', WEBSOCKET)];
  yield ['Socket.IO by polling, logged out', () => refusedAfterLogout(scene, origin, '/sio-locked/socket.io')];
}
