// Joins a gateway with autobahn-js and tries what the realm has beyond plain events and calls.
//
//     node features.js ws://127.0.0.1:8080/ws
//
// Everything in realm1 is allowed. Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { WebSocket } from 'ws';
import {
  Inbox, SHARED, fresh, refused, runAll, soon, withEachSerializer,
} from '../wampyjs/run.js';

// autobahn-js takes the one of the browser or of Node.js 22.
globalThis.WebSocket = WebSocket;
// It warns at the end of every connection.
console.warn = () => {};
const { default: autobahn } = await import('autobahn');

// The whole run, in milliseconds; each step has its own limit, so this only catches a client that hangs.
const TIMEOUT = 180_000;

const { JSONSerializer, MsgpackSerializer, CBORSerializer } = autobahn.serializer;
const SERIALIZERS = {
  json: () => new JSONSerializer(),
  msgpack: () => new MsgpackSerializer(),
  cbor: () => new CBORSerializer(),
};

/** Runs with a session for each serializer, which end afterwards. */
async function withSessions(url, serializers, run) {
  const connections = serializers.map((name) => new autobahn.Connection({
    url, realm: 'realm1', max_retries: 0, serializers: [SERIALIZERS[name]()],
  }));
  const join = (connection) => soon(new Promise((resolve, reject) => {
    connection.onopen = resolve;
    connection.onclose = (reason, details) => {
      reject(new Error(`${reason}: ${details.reason ?? details.message}`));
      return true;
    };
    connection.open();
  }), 'WELCOME');
  try {
    return await run(...await Promise.all(connections.map(join)));
  } finally {
    for (const connection of connections) if (connection.isOpen) connection.close();
  }
}

/** What a topic's subscriber gets, each as `{ args, details }`. */
async function subscribed(session, topic, options = {}) {
  const events = new Inbox();
  const subscription = await soon(
    session.subscribe(topic, (args, kwargs, details) => events.push({ args, details }), options), 'SUBSCRIBED');
  return { events, subscription };
}

const publish = (session, topic, args, options = {}) => soon(
  session.publish(topic, args, {}, { acknowledge: true, ...options }), 'PUBLISHED');
const register = (session, procedure, run, options = {}) => soon(
  session.register(procedure, run, options), 'REGISTERED');
const call = (session, procedure, args = [], options = {}) => soon(
  session.call(procedure, args, {}, options), 'RESULT');

/** No event has come: one that was published later is there first. */
async function nothing(publisher, { session, topic, events }) {
  const after = fresh();
  const marker = await subscribed(session, after);
  await publish(publisher, after, ['after']);
  await marker.events.next('the event after');
  assert.ok(events.isEmpty, `an event of ${topic} for another session`);
}

const FEATURES = {
  async 'patterns of topics'(alice, bob) {
    const base = fresh();
    const topic = `${base}.room.door`;
    const subscriptions = [
      await subscribed(bob, topic),
      await subscribed(bob, `${base}.ro`, { match: 'prefix' }),
      await subscribed(bob, `${base}..door`, { match: 'wildcard' }),
    ];
    await publish(alice, topic, ['open']);
    for (const { events } of subscriptions) {
      const { args, details } = await events.next('EVENT');
      assert.deepEqual([args, details.topic], [['open'], topic]);
    }
  },

  async 'patterns of procedures'(alice, bob) {
    const base = fresh();
    const name = (text) => (args, kwargs, details) => [text, details.procedure];
    await register(bob, `${base}.a.b`, name('exact'));
    await register(bob, `${base}.a`, name('prefix'), { match: 'prefix' });
    await register(bob, `${base}..c`, name('wildcard'), { match: 'wildcard' });
    for (const [end, expected] of [['a.b', 'exact'], ['a.c', 'prefix'], ['x.c', 'wildcard']]) {
      assert.deepEqual(await call(alice, `${base}.${end}`), [expected, `${base}.${end}`]);
    }
  },

  async 'exclusion and eligibility'(alice, bob, carol) {
    const topic = fresh();
    const [one, other] = [await subscribed(bob, topic), await subscribed(carol, topic)];
    for (const options of [{ exclude: [bob.id] }, { eligible: [carol.id] }]) {
      await publish(alice, topic, ['for carol'], options);
      await other.events.next('EVENT');
    }
    await publish(alice, topic, ['for no role'], { eligible_authrole: ['com.example.no.role'] });
    await nothing(alice, { session: bob, topic, events: one.events });
    await nothing(alice, { session: carol, topic, events: other.events });
    const own = await subscribed(alice, topic);
    await publish(alice, topic, ['for all'], { exclude_me: false });
    for (const { events } of [one, other, own]) assert.deepEqual((await events.next('EVENT')).args, ['for all']);
  },

  async 'disclosure'(alice, bob) {
    const topic = fresh();
    const { events } = await subscribed(bob, topic);
    await register(bob, topic, (args, kwargs, details) => [details.caller ?? null]);
    for (const [options, id] of [[{ disclose_me: true }, alice.id], [{}, null]]) {
      await publish(alice, topic, [], options);
      assert.equal((await events.next('EVENT')).details.publisher ?? null, id);
      assert.deepEqual(await call(alice, topic, [], options), [id]);
    }
  },

  async 'retained events'(alice, bob) {
    const topic = fresh();
    await publish(alice, topic, ['kept'], { retain: true });
    const { events } = await subscribed(bob, topic, { get_retained: true });
    assert.deepEqual((await events.next('EVENT')).args, ['kept']);
  },

  async 'progressive results'(alice, bob) {
    const procedure = fresh();
    await register(bob, procedure, async ([count], kwargs, { progress }) => {
      for (let part = 0; progress && part < count; part += 1) progress([part]);
      return 'end';
    });
    const parts = [];
    const asked = alice.call(procedure, [5], {}, { receive_progress: true });
    assert.equal(await soon(asked.then(null, null, (part) => parts.push(part)), 'RESULT'), 'end');
    assert.deepEqual(parts, [0, 1, 2, 3, 4]);
    assert.equal(await call(alice, procedure, [5]), 'end', 'without progress');
  },

  async 'canceling'(alice, bob) {
    const procedure = fresh();
    const begun = new Inbox();
    await register(bob, procedure, () => {
      begun.push(true);
      return new Promise(() => {});
    });
    // autobahn-js cannot be interrupted as a callee: the caller gets its answer at once.
    const waiting = alice.call(procedure, [], {}, {});
    await begun.next('INVOCATION');
    waiting.cancel({ mode: 'kill' });
    await refused(waiting, 'wamp.error.canceled');
  },

  async 'time-outs'(alice, bob) {
    const procedure = fresh();
    await register(bob, procedure, () => new Promise(() => {}));
    await refused(alice.call(procedure, [], {}, { timeout: 50 }), 'wamp.error.timeout');
  },

  async 'shared registrations'(alice, bob, carol) {
    const answers = (text) => () => text;
    for (const [invoke, expected] of SHARED) {
      const procedure = fresh();
      await register(bob, procedure, answers('bob'), { invoke });
      await register(carol, procedure, answers('carol'), { invoke });
      const got = [];
      for (let number = 0; number < 4; number += 1) got.push(await call(alice, procedure));
      if (expected) assert.deepEqual(got.sort(), expected, invoke);
    }
    const procedure = fresh();
    await register(bob, procedure, answers('bob'));
    await refused(carol.register(procedure, answers('carol')), 'wamp.error.procedure_already_exists');
  },

  async 'one invocation at once'(alice, bob) {
    const procedure = fresh();
    let [now, most] = [0, 0];
    await register(bob, procedure, async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
      return null;
    }, { concurrency: 1, invoke: 'roundrobin' });
    await Promise.all([1, 2, 3, 4].map(() => call(alice, procedure)));
    assert.equal(most, 1);
  },

  async 'a registration that another session takes'(alice, bob, carol) {
    const procedure = fresh();
    const registration = await register(bob, procedure, () => 'bob');
    await register(carol, procedure, () => 'carol', { force_reregister: true });
    await soon(registration._on_unregister.promise ?? registration._on_unregister, 'UNREGISTERED');
    assert.equal(registration.active, false);
    assert.equal(await call(alice, procedure), 'carol');
  },

  async 'meta events and procedures'(alice, bob) {
    const procedure = fresh();
    const created = await subscribed(alice, 'wamp.registration.on_create');
    const registration = await register(bob, procedure, () => null);
    let event;
    do event = await created.events.next('on_create'); while (event.args[1].uri !== procedure);
    assert.deepEqual([event.args[0], event.args[1].id], [bob.id, registration.id]);
    assert.equal(await call(alice, 'wamp.registration.match', [procedure]), registration.id);
    assert.ok((await call(alice, 'wamp.session.list')).includes(bob.id));
    const details = await call(alice, 'wamp.session.get', [bob.id]);
    assert.equal(details.transport.type, 'websocket');
    await refused(alice.call('wamp.session.get', [1]), 'wamp.error.no_such_session');
  },

  async 'testaments'(alice, bob, carol, url) {
    const topic = fresh();
    const { events } = await subscribed(alice, topic);
    await withSessions(url, ['json'], async (mortal) => {
      await call(mortal, 'wamp.session.add_testament', [topic, ['gone'], {}]);
      assert.ok(events.isEmpty);
    });
    assert.deepEqual((await events.next('the testament')).args, ['gone']);
  },
};

await runAll('autobahn-js', (url) => withEachSerializer(FEATURES, Object.keys(SERIALIZERS), withSessions, url), TIMEOUT);
