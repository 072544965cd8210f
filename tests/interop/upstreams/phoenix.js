// Phoenix's own client: channels and heartbeats, and what it does when its server or its login ends.

import { strict as assert } from 'node:assert';
import { Socket } from 'phoenix';
import { WebSocket } from 'ws';
import { Inbox, soon } from '../wampyjs/run.js';

// Milliseconds between its heartbeats; an answer has as long.
const HEARTBEAT = 2000;

/** The client, which comes back by itself. Its connections have the cookie; their ends are in `ends`. */
function connect(scene, path, cookie) {
  const ends = new Inbox();
  class Transport extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { headers: cookie ? { Cookie: cookie } : {} });
      this.on('unexpected-response', (request, answer) => { ends.push(`status ${answer.statusCode}`); request.destroy(); this.emit('close', 1006, ''); });
      this.on('close', (code) => ends.push(`closed ${code}`));
    }
  }
  const socket = new Socket(`ws://127.0.0.1:${scene.port}${path}`, {
    transport: Transport, heartbeatIntervalMs: HEARTBEAT, reconnectAfterMs: () => 100, rejoinAfterMs: () => 100, params: { token: 'a b&c' },
  });
  socket.connect();
  return { socket, ends, transport: Transport };
}

function replied(push) {
  return soon(new Promise((resolve, reject) => push.receive('ok', resolve).receive('error', reject)), 'a reply');
}

async function channels(scene, path) {
  const joe = await scene.login('joe');
  const { socket } = connect(scene, path, joe.cookie);
  const channel = socket.channel('room:lobby', {});
  assert.deepEqual(await replied(channel.join()), { user: 'joe', token: 'a b&c' });
  assert.deepEqual(await replied(channel.push('echo', { text: 'grüße 🚪' })), { text: 'grüße 🚪' });
  await assert.rejects(replied(channel.push('fail', {})), ({ reason }) => reason === 'on purpose');
  const data = new Uint8Array(300_000).map((_, at) => at % 251);
  assert.deepEqual(new Uint8Array(await replied(channel.push('binary', data.buffer))), data);
  const shouts = new Inbox();
  channel.on('shout', ({ number }) => shouts.push(number));
  for (let number = 0; number < 100; number += 1) channel.push('shout', { number });
  for (let number = 0; number < 100; number += 1) assert.equal(await shouts.next('a shout'), number);

  // A client whose heartbeat is not answered ends its connection, so it is still this one.
  const counted = async () => (await replied(channel.push('heartbeats', {}))).heartbeats;
  const deadline = performance.now() + 30 * HEARTBEAT;
  while (await counted() < 3) {
    assert.ok(performance.now() < deadline, 'no three heartbeats');
    await new Promise((later) => setTimeout(later, 100));
  }
  socket.disconnect();
}

async function comingBack(scene, path, server) {
  const { socket, ends } = connect(scene, path);
  const channel = socket.channel('room:lobby', {});
  const joins = new Inbox();
  channel.join().receive('ok', (answer) => joins.push(answer));
  await joins.next('the first join');
  await scene.stop('phoenix');
  assert.equal(await ends.next('the end'), 'closed 1012');
  assert.match(await ends.next('a refusal while the server is away'), /^status 50[234]$/);
  await scene.serve('phoenix', 'echo_phoenix.js', server);
  await joins.next('the second join');
  assert.deepEqual(await replied(channel.push('echo', { back: true })), { back: true });
  socket.disconnect();
}

async function loggedOut(scene, path) {
  const joe = await scene.login('joe');
  const { socket, ends } = connect(scene, path, joe.cookie);
  await replied(socket.channel('room:lobby', {}).join());
  await joe.logout();
  assert.equal(await ends.next('the end'), 'closed 1008');
  assert.equal(await ends.next('a refusal'), 'status 401');
  socket.disconnect();
}

/** Through the path `phx` of type `proxy`, `phx-ws` of type `websocket-proxy`, and `phx-locked`, which wants a login. */
export function* phoenix(scene, server) {
  yield ['Phoenix through proxy', () => channels(scene, '/phx/socket')];
  yield ['Phoenix through websocket-proxy', () => channels(scene, '/phx-ws')];
  yield ['Phoenix, its server gone and back', () => comingBack(scene, '/phx-ws', server)];
  yield ['Phoenix, logged out', () => loggedOut(scene, '/phx-locked')];
}
