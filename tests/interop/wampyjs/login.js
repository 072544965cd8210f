// Logs in with wampy.js by every method that it has, comes back by cookie, and logs out.
//
//     node login.js ws://127.0.0.1:8080/login
//
// The gateway has cookie tracking, `auth.cookie`, and the principals below. Ends with `N passed, N failed` and, if
// anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import * as cryptosign from 'wampy/cryptosign.js';
import * as wampcra from 'wampy/wampcra.js';
import { SERIALIZERS, join } from './peer.js';
import { runAll } from './run.js';

// The whole run, in milliseconds; each step has its own limit, so this only catches a client that hangs.
const TIMEOUT = 60_000;

// What the gateway's configuration in run.sh has the other half of.
const TICKET = 'interop-ticket';
const SECRET = 'interop-secret';
const PRIVATE_KEY = '07'.repeat(32);
const PUBLIC_KEY = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c';

const LOGOUT = 'wamp.close.logout';

const LOGINS = [
  { method: 'ticket', authid: 'joe', answer: () => TICKET },
  { method: 'wampcra', authid: 'joe', answer: wampcra.sign(SECRET) },
  { method: 'wampcra', authid: 'salted', answer: wampcra.sign(SECRET) },
  { method: 'cryptosign', authid: 'joe', answer: cryptosign.sign(PRIVATE_KEY), authextra: { pubkey: PUBLIC_KEY } },
];
const WRONG_ONES = [
  { method: 'ticket', authid: 'joe', answer: () => 'guess' },
  { method: 'wampcra', authid: 'joe', answer: wampcra.sign('guess') },
  { method: 'cryptosign', authid: 'joe', answer: cryptosign.sign('08'.repeat(32)), authextra: { pubkey: PUBLIC_KEY } },
];

/** A browser's part in it: what it presents at the next handshake is what the last one set. */
class Visitor {
  cookie;
  challenges = 0;

  constructor(url, serializer) {
    this.url = url;
    this.serializer = serializer;
  }

  /** Joins or throws. Whatever is offered, wampy.js wants an authid and something that answers challenges. */
  async visit(authmethods, { method, authid, answer, authextra = {} }) {
    this.challenges = 0;
    const counted = (...challenge) => {
      this.challenges += 1;
      return answer(...challenge);
    };
    const peer = await join(this.url, this.serializer, this.cookie, {
      authid, authmethods, authextra, authMode: 'auto', authPlugins: { [method]: counted },
    });
    this.cookie = peer.setCookie ?? this.cookie;
    return peer;
  }
}

/** Logs in, comes back by cookie as the same principal without being asked for anything, and gives the cookie up. */
async function login(url, serializer, how) {
  const { method, authid } = how;
  const visitor = new Visitor(url, serializer);
  const first = await visitor.visit([method], how);
  assert.equal(visitor.challenges, 1);
  assert.deepEqual(identity(first), { authid, authrole: 'member', authmethod: method, authprovider: 'static' });
  assert.ok(first.setCookie, 'no cookie');
  await first.bye();

  for (const methods of [['cookie'], ['cookie', method], [method, 'cookie']]) {
    const again = await visitor.visit(methods, how);
    assert.equal(visitor.challenges, 0, 'a client that the cookie knows was challenged');
    assert.deepEqual(identity(again), { authid, authrole: 'member', authmethod: method, authprovider: 'cookie' });
    await again.bye();
  }
  assert.notEqual(visitor.cookie, first.setCookie, 'a login is followed by a new cookie');

  const leaving = await visitor.visit(['cookie'], how);
  const given = visitor.cookie;
  assert.equal(await leaving.leave(LOGOUT), 'wamp.close.goodbye_and_out');
  for (const cookie of [given, first.setCookie]) {
    visitor.cookie = cookie;
    await refused(visitor.visit(['cookie'], how), 'wamp.error.no_auth_method');
  }
  // It is the cookie that is out, not the principal.
  const back = await visitor.visit(['cookie', method], how);
  assert.equal(visitor.challenges, 1, 'a client that has logged out was not challenged');
  await back.bye();
}

/** A wrong secret opens nothing, and leaves a login that the cookie knows as it was. */
async function wrong(url, how) {
  const visitor = new Visitor(url, 'json');
  await (await visitor.visit(['ticket'], LOGINS[0])).bye();
  await (await visitor.visit(['cookie'], LOGINS[0])).bye();
  await refused(visitor.visit([how.method], how), 'wamp.error.not_authorized');
  assert.equal(visitor.challenges, 1);
  await (await visitor.visit(['cookie'], LOGINS[0])).bye();
}

function identity({ welcome: { authid, authrole, authmethod, authprovider } }) {
  return { authid, authrole, authmethod, authprovider };
}

async function refused(joining, uri) {
  const error = await joining.then(({ authid }) => {
    throw new Error(`joined as ${authid} instead of ${uri}`);
  }, (reason) => reason);
  assert.equal(error.errorUri, uri, String(error.stack ?? error));
}

function* scenarios(url) {
  for (const how of LOGINS) {
    for (const name of Object.keys(SERIALIZERS)) {
      yield [`${how.method} as ${how.authid} over ${name}, back by cookie, and out`, () => login(url, name, how)];
    }
  }
  for (const how of WRONG_ONES) {
    yield [`${how.method} as ${how.authid} with a wrong secret`, () => wrong(url, how)];
  }
}

await runAll('wampy.js login', scenarios, TIMEOUT);
