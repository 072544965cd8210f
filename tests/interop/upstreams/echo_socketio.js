// An application on Socket.IO: it answers, tells all, and says who its client is.

import { createServer } from 'node:http';
import { Server } from 'socket.io';

const server = createServer((request, response) => response.end('plain HTTP\n'));
const io = new Server(server, { maxHttpBufferSize: 8 * 1024 * 1024, pingInterval: 300, pingTimeout: 5000, perMessageDeflate: true });

io.on('connection', (socket) => {
  socket.on('echo', (...args) => args.pop()(...args));
  socket.on('who', (answer) => answer({
    user: socket.handshake.headers['remote-user'], cookie: socket.handshake.headers.cookie ?? '', transport: socket.conn.transport.name,
  }));
  socket.on('enter', (room, answer) => { socket.join(room); answer(); });
  socket.on('tell', (room, ...args) => io.to(room).emit('told', ...args));
  socket.on('leave me', () => socket.disconnect(true));
  // A question of the server, answered by the client.
  socket.on('ask me', async (answer) => answer(await socket.timeout(5000).emitWithAck('question', 20, 22)));
});

server.listen(Number(process.argv[2]), '127.0.0.1');
