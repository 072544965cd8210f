// A session of wampy.js whose handshake can be looked at: it runs over the `ws` package, which can send a Cookie
// header and shows the headers of the 101.

import { strict as assert } from 'node:assert';
import { WebSocket } from 'ws';
import { Wampy } from 'wampy';
import { JsonSerializer } from 'wampy/JsonSerializer.js';
import { MsgpackSerializer } from 'wampy/MsgpackSerializer.js';
import { CborSerializer } from 'wampy/CborSerializer.js';
import { soon } from './run.js';

export const COOKIE = 'cbtid';
const REALM = 'realm1';
const GOODBYE = 6;

export const SERIALIZERS = {
  json: () => new JsonSerializer(),
  msgpack: () => new MsgpackSerializer(),
  cbor: () => new CborSerializer(),
};

/**
 * Connects, presenting a cookie if there is one (wampy.js keeps no jar in Node), and joins. `auth` are wampy.js's
 * options for a login.
 */
export async function join(url, serializer, cookie, auth = {}) {
  let handshake;
  let socket;
  const codec = SERIALIZERS[serializer]();
  // wampy.js calls the constructor with its own five arguments.
  class Socket extends WebSocket {
    constructor(address, protocols) {
      super(address, protocols, { headers: cookie ? { Cookie: `${COOKIE}=${cookie}` } : {} });
      this.binaryType = 'arraybuffer';
      socket = this;
      this.on('upgrade', (response) => { handshake = response.headers; });
    }
  }
  const wampy = new Wampy(url, {
    realm: REALM,
    ws: Socket,
    serializer: codec,
    autoReconnect: false,
    ...auth,
  });
  const welcome = await soon(wampy.connect(), 'WELCOME');
  assert.equal(handshake['sec-websocket-protocol'], `wamp.2.${serializer}`);
  const crumb = (handshake['set-cookie'] ?? []).map((line) => line.split(';')[0].split('='))
    .find(([name]) => name === COOKIE);
  return {
    wampy,
    welcome,
    authid: welcome.authid,
    publicId: welcome.x_wampgate_public_id,
    setCookie: crumb && crumb.slice(1).join('='),
    bye: () => soon(wampy.disconnect(), 'GOODBYE'),
    // wampy.js has one reason for all of its goodbyes, so another one goes past it.
    leave: async (reason) => {
      const answer = new Promise((resolve) => socket.once('message', (data) => resolve(codec.decode(data))));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.send(codec.encode([GOODBYE, {}, reason]));
      const message = await soon(answer, 'GOODBYE');
      await soon(closed, 'the end of the connection');
      assert.equal(message[0], GOODBYE);
      return message[2];
    },
  };
}

/** Runs with a session that is ended properly afterwards. */
export async function withSession(url, serializer, cookie, run) {
  const peer = await join(url, serializer, cookie);
  try {
    return await run(peer);
  } finally {
    await peer.bye();
  }
}
