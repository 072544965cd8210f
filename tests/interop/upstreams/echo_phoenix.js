// A server for clients of Phoenix: joins, pushes with replies, broadcasts and heartbeats, in version 2 of its serializer.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => response.end('plain HTTP\n'));
const sockets = new WebSocketServer({ server, path: '/socket/websocket' });

/** A push with binary data, and its reply in the same form. */
function replyInBinary(data) {
  const sizes = [...data.subarray(1, 5)];
  let at = 5;
  const [joinRef, ref, topic] = sizes.map((size) => data.subarray(at, at += size));
  const status = Buffer.from('ok');
  return Buffer.concat([
    Buffer.from([1, joinRef.length, ref.length, topic.length, status.length]), joinRef, ref, topic, status, data.subarray(at),
  ]);
}

sockets.on('connection', (socket, request) => {
  let heartbeats = 0;
  socket.on('message', (data, isBinary) => {
    if (isBinary) {
      socket.send(replyInBinary(data));
      return;
    }
    const [joinRef, ref, topic, event, payload] = JSON.parse(data);
    const reply = (response, status = 'ok') => socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status, response }]));
    if (event === 'heartbeat') {
      heartbeats += 1;
      reply({});
    } else if (event === 'phx_join') {
      reply({ user: request.headers['remote-user'], token: new URL(request.url, 'http://host').searchParams.get('token') });
    } else if (event === 'heartbeats') {
      reply({ heartbeats });
    } else if (event === 'shout') {
      for (const each of sockets.clients) each.send(JSON.stringify([null, null, topic, 'shout', payload]));
    } else if (event === 'fail') {
      reply({ reason: 'on purpose' }, 'error');
    } else {
      reply(payload);
    }
  });
});

server.listen(Number(process.argv[2]), '127.0.0.1');
