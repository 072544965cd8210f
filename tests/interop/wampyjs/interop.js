// Joins a gateway with wampy.js and tries what an application relies on.
//
//     node interop.js ws://127.0.0.1:8080/ws
//
// The gateway has cookie tracking and no authentication (an authid is then the cookie's ID) and everything in realm1
// is allowed. wampy.js writes integers above 32 bits as floats in MessagePack and CBOR, the identifiers that it sends back
// included, so this also shows that a gateway takes such identifiers. Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { SERIALIZERS, withSession } from './peer.js';
import { Inbox, runAll, soon } from './run.js';

// The whole run, in milliseconds; each step has its own limit, so this only catches a client that hangs.
const TIMEOUT = 180_000;

const TOPIC = 'com.example.interop.topic';
const ECHO = 'com.example.interop.echo';
const FAIL = 'com.example.interop.fail';
const NOBODY = 'com.example.interop.nobody';

// The edges of 32 and 53 bits, text of every plane, deep and empty things.
const ARGS = [
  0, -1, 2 ** 32, -(2 ** 31), 1.5, -1e-7, true, null, '', 'grüße, мир, 世界, 🚪', 'quote " backslash \\ newline \n',
  [], {}, [[[[['deep']]]], { a: { b: [{ c: null }] } }],
];
const KWARGS = { name: 'ключ', list: [1, [2, [3]]], nothing: null, größe: 12 };
// A Buffer, because the CBOR encoder marks a plain Uint8Array as a typed array (RFC 8746), which is more than bytes.
const BYTES = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

const step = (text) => console.log(`    ${text}`);

async function identity(url, serializer) {
  const first = await withSession(url, serializer, undefined, async (peer) => {
    assert.ok(peer.setCookie, 'a first visit gets a cookie');
    assert.equal(peer.authid, peer.setCookie, 'without authentication, the authid is the cookie\'s ID');
    assert.equal(peer.welcome.authmethod, 'anonymous');
    assert.equal(peer.welcome.authprovider, 'static');
    assert.ok(!peer.welcome.x_wampgate_known);
    return peer;
  });
  step('first visit: a cookie, and an authid');

  await withSession(url, serializer, first.setCookie, async (again) => {
    assert.equal(again.authid, first.authid, 'the authid has changed');
    assert.equal(again.setCookie, undefined, 'a known client got a new cookie');
    assert.equal(again.publicId, first.publicId, 'the public ID has changed');
    assert.ok(again.welcome.x_wampgate_known ?? true);
    await withSession(url, serializer, first.setCookie, async (beside) => {
      assert.equal(beside.authid, first.authid, 'two connections of one client differ');
    });
  });
  step('reconnected: same authid, no new cookie, also twice at once');

  await withSession(url, serializer, undefined, async (stranger) => {
    assert.notEqual(stranger.authid, first.authid);
  });
  step('no cookie: another client');
}

async function publishSubscribe(alice, bob) {
  const events = new Inbox();
  const { subscriptionKey } = await soon(bob.wampy.subscribe(TOPIC, (event) => events.push(event)), 'SUBSCRIBED');
  await soon(alice.wampy.publish(TOPIC, { argsList: ARGS, argsDict: KWARGS }, { disclose_me: true }), 'PUBLISHED');
  const event = await events.next('EVENT');
  same(event.argsList, ARGS);
  same(event.argsDict, KWARGS);
  step('published: arguments arrive unchanged');

  if (alice.publicId !== undefined) assert.equal(event.details.publisher_authid, alice.publicId);
  assert.notEqual(event.details.publisher_authid, alice.authid, 'the publisher\'s cookie ID was shown');

  for (let number = 0; number < 100; number += 1) alice.wampy.publish(TOPIC, [number]).catch(() => {});
  for (let number = 0; number < 100; number += 1) {
    assert.deepEqual((await events.next(`event ${number}`)).argsList, [number]);
  }
  step('published 100 times: all there, in order');

  await soon(bob.wampy.unsubscribe(subscriptionKey), 'UNSUBSCRIBED');
  await soon(alice.wampy.publish(TOPIC, ['after']), 'PUBLISHED');
  // An answer to a later request shows that nothing else is on its way.
  await refused(bob.wampy.call(NOBODY), 'wamp.error.no_such_procedure');
  assert.ok(events.isEmpty, 'an event after unsubscribing');
  step('unsubscribed: no more events');
}

async function callRegister(alice, bob) {
  const callers = [];
  const echo = ({ argsList, argsDict, details }) => {
    callers.push(details);
    return { argsList, argsDict };
  };
  const fail = ({ argsList, argsDict }) => {
    throw Object.assign(new Error('on purpose'), { error: 'com.example.error.teapot', argsList, argsDict });
  };
  await soon(bob.wampy.register(ECHO, echo), 'REGISTERED');
  await soon(bob.wampy.register(FAIL, fail), 'REGISTERED');
  const result = await soon(alice.wampy.call(ECHO, { argsList: ARGS, argsDict: KWARGS }, { disclose_me: true }), 'RESULT');
  same(result.argsList, ARGS);
  same(result.argsDict, KWARGS);
  if (alice.publicId !== undefined) assert.equal(callers[0].caller_authid, alice.publicId);
  assert.notEqual(callers[0].caller_authid, alice.authid, 'the caller\'s cookie ID was shown');
  step('called: arguments and result arrive unchanged');

  const numbers = Array.from({ length: 50 }, (_, number) => number);
  const results = await soon(Promise.all(numbers.map((number) => alice.wampy.call(ECHO, [number]))), '50 results');
  assert.deepEqual(results.map(({ argsList }) => argsList), numbers.map((number) => [number]));
  step('called 50 times at once: every caller its own result');

  const error = await refused(
    alice.wampy.call(FAIL, { argsList: ARGS, argsDict: KWARGS }), 'com.example.error.teapot');
  same(error.argsList, ARGS);
  same(error.argsDict, KWARGS);
  step('application error: its URI and payload arrive unchanged');

  await refused(alice.wampy.register(ECHO, echo), 'wamp.error.procedure_already_exists');
  await soon(bob.wampy.unregister(ECHO), 'UNREGISTERED');
  await refused(alice.wampy.call(ECHO), 'wamp.error.no_such_procedure');
  step('registered twice, unregistered: each its error');
}

// JSON has no bytes: in WAMP they travel there as a string of U+0000 and base64, and come out as bytes elsewhere.
async function binary(alice, bob, left, right) {
  const inJson = `\0${BYTES.toString('base64')}`;
  const events = new Inbox();
  const { subscriptionKey } = await soon(bob.wampy.subscribe(TOPIC, (event) => events.push(event)), 'SUBSCRIBED');
  await soon(alice.wampy.publish(TOPIC, [left === 'json' ? inJson : BYTES]), 'PUBLISHED');
  const [got] = (await events.next('EVENT')).argsList;
  if (right === 'json') {
    assert.equal(got, inJson);
  } else {
    assert.ok(got instanceof Uint8Array, `bytes became ${typeof got}`);
    assert.ok(BYTES.equals(got), 'the bytes have changed');
  }
  await soon(bob.wampy.unsubscribe(subscriptionKey), 'UNSUBSCRIBED');
  step('bytes arrive unchanged');
}

async function traffic(url, left, right) {
  await withSession(url, left, undefined, (alice) => withSession(url, right, undefined, async (bob) => {
    await publishSubscribe(alice, bob);
    await callRegister(alice, bob);
    await binary(alice, bob, left, right);
  }));
}

async function refused(promise, uri) {
  const error = await soon(promise.then((answer) => {
    throw new Error(`${JSON.stringify(answer)} instead of ${uri}`);
  }, (reason) => reason), uri);
  assert.equal(error.errorUri, uri, String(error.stack ?? error));
  return error;
}

// A decoder may give integers above 32 bits as BigInt; the value counts.
function same(got, expected) {
  const plain = (key, value) => (typeof value === 'bigint' ? Number(value) : value);
  assert.deepEqual(JSON.parse(JSON.stringify(got, plain)), expected);
}

function* scenarios(url) {
  const names = Object.keys(SERIALIZERS);
  for (const name of names) yield [`identity over ${name}`, () => identity(url, name)];
  for (const left of names) {
    for (const right of names) {
      yield [`traffic from ${left} to ${right} and back`, () => traffic(url, left, right)];
    }
  }
}

await runAll('wampy.js', scenarios, TIMEOUT);
