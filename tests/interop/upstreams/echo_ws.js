// An application on the npm package `ws`: it sends back what comes, and does what a command asks of it.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => response.end('plain HTTP\n'));
const sockets = new WebSocketServer({
  server,
  maxPayload: 64 * 1024 * 1024,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has('second') ? 'second' : false),
});

sockets.on('connection', (socket, request) => {
  socket.on('error', () => {});
  let closed = (() => {});
  socket.on('close', (code, reason) => closed(code, String(reason)));
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : String(data);
    const [command, ...rest] = text.split(' ');
    if (command === '!headers') {
      const pairs = request.rawHeaders.map((each, at) => [each, request.rawHeaders[at + 1]]).filter((_, at) => at % 2 === 0);
      socket.send(JSON.stringify({ headers: pairs, url: request.url }));
    } else if (command === '!close') {
      socket.close(Number(rest[0]), rest.slice(1).join(' '));
    } else if (command === '!kill') {
      socket.terminate();
    } else if (command === '!ping') {
      socket.once('pong', (payload) => socket.send(`pong ${payload}`));
      socket.ping(rest[0]);
    } else if (command === '!fragments') {
      for (const [at, part] of rest.entries()) socket.send(part, { fin: at + 1 === rest.length });
    } else if (command === '!watch') {
      // Tells another connection with what this one has ended.
      const [name] = rest;
      closed = (code, reason) => { endings.set(name, `${code} ${reason}`); };
      socket.send('watched');
    } else if (command === '!ended') {
      const told = setInterval(() => {
        if (!endings.has(rest[0])) return;
        clearInterval(told);
        socket.send(endings.get(rest[0]));
      }, 5);
      socket.on('close', () => clearInterval(told));
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
});

const endings = new Map();

server.listen(Number(process.argv[2]), '127.0.0.1');
