// What a WebSocket server and its clients exchange: the same in front of the gateway and behind it.

import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { Inbox, soon } from '../wampyjs/run.js';

/** A client of `ws`, open, with its messages and its end at hand. */
export class Client {
  messages = new Inbox();

  static async open(url, { protocols = [], ...options } = {}) {
    const client = new Client();
    client.socket = new WebSocket(url, protocols, { maxPayload: 64 * 1024 * 1024, perMessageDeflate: false, ...options });
    client.socket.on('message', (data, isBinary) => client.messages.push(isBinary ? data : String(data)));
    client.socket.on('upgrade', (answer) => { client.answer = answer; });
    client.ended = once(client.socket, 'close').then(([code, reason]) => `${code} ${reason}`);
    client.socket.on('unexpected-response', (_, answer) => client.socket.emit('error', new Error(`status ${answer.statusCode}`)));
    await soon(once(client.socket, 'open'), `a connection to ${url}`);
    client.socket.on('error', () => {});
    return client;
  }

  send(message, options) {
    this.socket.send(message, options);
  }

  async ask(message, options) {
    this.send(message, options);
    return this.messages.next(`an answer to ${String(message).slice(0, 40)}`);
  }

  end(what) {
    return soon(this.ended, what ?? 'the end of a connection');
  }
}

/** Whether a handshake is refused, and with which status. */
export function refusal(url, options = {}) {
  return soon(new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options);
    socket.on('unexpected-response', (request, answer) => { resolve(answer.statusCode); request.destroy(); });
    socket.on('open', () => { reject(new Error('it was let in')); socket.terminate(); });
    socket.on('error', reject);
  }), 'a refusal');
}

let names = 0;

export const MESSAGES = {
  async 'text and binary'(url) {
    const client = await Client.open(url);
    for (const text of ['', 'plain', 'grüße, мир, 世界, 🚪', 'x'.repeat(125), 'x'.repeat(126), 'x'.repeat(65_535), 'x'.repeat(65_536)]) {
      assert.equal(await client.ask(text), text);
    }
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const data = randomBytes(length);
      assert.deepEqual(await client.ask(data), data);
    }
    for (let number = 0; number < 500; number += 1) client.send(`n${number}`);
    for (let number = 0; number < 500; number += 1) assert.equal(await client.messages.next('a message'), `n${number}`);
    client.socket.terminate();
  },

  async 'fragments'(url) {
    const client = await Client.open(url);
    client.send('one, ', { fin: false });
    client.send('', { fin: false });
    client.socket.ping('between');
    assert.equal(String(await soon(once(client.socket, 'pong'), 'a pong').then(([data]) => data)), 'between');
    assert.equal(await client.ask('two', { fin: true }), 'one, two');
    assert.equal(await client.ask('!fragments three four five'), 'threefourfive');
    client.socket.terminate();
  },

  async 'large messages'(url) {
    const client = await Client.open(url);
    const data = randomBytes(16 * 1024 * 1024);
    const answer = await client.ask(data);
    assert.ok(data.equals(answer), 'it came back changed');
    // Many at once, more than any buffer holds.
    const parts = Array.from({ length: 24 }, () => randomBytes(700_000));
    for (const part of parts) client.send(part);
    for (const part of parts) assert.ok(part.equals(await client.messages.next('a large message')), 'it came back changed');
    client.socket.terminate();
  },

  async 'pings in both directions'(url) {
    const client = await Client.open(url);
    for (const payload of ['', 'x', 'x'.repeat(125)]) {
      client.socket.ping(payload);
      const [data] = await soon(once(client.socket, 'pong'), 'a pong');
      assert.equal(String(data), payload);
    }
    assert.equal(await client.ask('!ping of-the-server'), 'pong of-the-server');
    client.socket.terminate();
  },

  async 'close codes of the client'(url) {
    const beside = await Client.open(url);
    for (const [code, reason] of [[1000, ''], [1000, 'done'], [1001, 'leaving'], [1011, ''], [3000, 'own'], [4999, 'grüße']]) {
      names += 1;
      const client = await Client.open(url);
      assert.equal(await client.ask(`!watch c${names}`), 'watched');
      client.socket.close(code, reason);
      assert.equal(await client.end(), `${code} ${reason}`);
      assert.equal(await beside.ask(`!ended c${names}`), `${code} ${reason}`);
    }
    beside.socket.terminate();
  },

  async 'close codes of the server'(url) {
    for (const ending of ['1000 ', '1000 done', '1001 restart', '1011 fault', '1013 later', '3000 own', '4999 grüße']) {
      const client = await Client.open(url);
      client.send(`!close ${ending}`);
      assert.equal(await client.end(), ending);
    }
  },

  async 'compression'(url) {
    const client = await Client.open(url, { perMessageDeflate: { threshold: 0 } });
    assert.match(client.socket.extensions, /permessage-deflate/);
    const text = 'the same again and again, '.repeat(40_000);
    let received = 0;
    client.socket._socket.on('data', (data) => { received += data.length; });
    assert.equal(await client.ask(text), text);
    assert.ok(received < text.length / 20, `${received} bytes came for ${text.length}`);
    // With a window that is kept, messages refer to those before.
    for (let number = 0; number < 50; number += 1) assert.equal(await client.ask(`message number ${number}`), `message number ${number}`);
    const data = randomBytes(1_000_000);
    assert.ok(data.equals(await client.ask(data)), 'it came back changed');
    client.socket.terminate();
    const bounded = await Client.open(url, { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } });
    assert.match(bounded.answer.headers['sec-websocket-extensions'], /server_no_context_takeover/);
    assert.equal(await bounded.ask(text), text);
    bounded.socket.terminate();
    assert.equal((await Client.open(url)).socket.extensions, '');
  },

  async 'subprotocols'(url) {
    const chosen = await Client.open(url, { protocols: ['first', 'second'] });
    assert.equal(chosen.socket.protocol, 'second');
    assert.equal(await chosen.ask('text'), 'text');
    chosen.socket.terminate();
    const none = await Client.open(url);
    assert.equal(none.socket.protocol, '');
    none.socket.terminate();
  },
};
