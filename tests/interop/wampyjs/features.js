// Joins a gateway with wampy.js and tries what the realm has beyond plain events and calls, as far as wampy.js has it.
//
//     node features.js ws://127.0.0.1:8080/ws
//
// Everything in realm1 is allowed. Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { SERIALIZERS, withSession } from './peer.js';
import {
  Inbox, SHARED, fresh, refused, runAll, soon, withEachSerializer,
} from './run.js';

// The whole run, in milliseconds; each step has its own limit, so this only catches a client that hangs.
const TIMEOUT = 180_000;

/** A decoder may give integers above 32 bits as BigInt. */
const id = ({ wampy }) => Number(wampy.getSessionId());

/** Runs with a session for each serializer, which end afterwards. */
function withSessions(url, [serializer, ...others], run) {
  if (serializer === undefined) return run();
  return withSession(url, serializer, undefined, (session) => (
    withSessions(url, others, (...sessions) => run(session, ...sessions))));
}

/** What a topic's subscriber gets. */
async function subscribed({ wampy }, topic, options) {
  const events = new Inbox();
  await soon(wampy.subscribe(topic, (event) => events.push(event), options), 'SUBSCRIBED');
  return events;
}

const publish = ({ wampy }, topic, args, options) => soon(wampy.publish(topic, args, options), 'PUBLISHED');
const register = ({ wampy }, procedure, run, options) => soon(wampy.register(procedure, run, options), 'REGISTERED');
const call = async ({ wampy }, procedure, args = [], options = {}) => (
  await soon(wampy.call(procedure, args, options), 'RESULT')).argsList?.[0];
const answers = (text) => () => ({ argsList: [text] });

/** No event has come to a session: one that is published now is there first. */
async function nothing(publisher, session, events) {
  const topic = fresh();
  const marker = await subscribed(session, topic);
  await publish(publisher, topic, ['after']);
  await marker.next('the event after');
  assert.ok(events.isEmpty, 'an event for another session');
}

const FEATURES = {
  async 'patterns of topics'(alice, bob) {
    const base = fresh();
    const topic = `${base}.room.door`;
    const inboxes = [
      await subscribed(bob, topic),
      await subscribed(bob, `${base}.ro`, { match: 'prefix' }),
      await subscribed(bob, `${base}..door`, { match: 'wildcard' }),
    ];
    await publish(alice, topic, ['open']);
    const topics = [];
    for (const events of inboxes) {
      const { argsList, details } = await events.next('EVENT');
      assert.deepEqual(argsList, ['open']);
      topics.push(details.topic);
    }
    assert.deepEqual(topics.slice(1), [topic, topic]);
  },

  async 'patterns of procedures'(alice, bob) {
    const base = fresh();
    const name = (text) => ({ details }) => ({ argsList: [[text, details.procedure ?? null]] });
    await register(bob, `${base}.a.b`, name('exact'));
    await register(bob, `${base}.a`, name('prefix'), { match: 'prefix' });
    await register(bob, `${base}..c`, name('wildcard'), { match: 'wildcard' });
    assert.deepEqual(await call(alice, `${base}.a.b`), ['exact', null]);
    assert.deepEqual(await call(alice, `${base}.a.c`), ['prefix', `${base}.a.c`]);
    assert.deepEqual(await call(alice, `${base}.x.c`), ['wildcard', `${base}.x.c`]);
  },

  async 'exclusion and eligibility'(alice, bob, carol) {
    const topic = fresh();
    const [one, other] = [await subscribed(bob, topic), await subscribed(carol, topic)];
    for (const options of [{ exclude: id(bob) }, { eligible: id(carol) }]) {
      await publish(alice, topic, ['for carol'], options);
      await other.next('EVENT');
    }
    await publish(alice, topic, ['for no role'], { eligible_authrole: 'com.example.no.role' });
    await nothing(alice, bob, one);
    await nothing(alice, carol, other);
  },

  async 'progressive results'(alice, bob) {
    const procedure = fresh();
    await register(bob, procedure, ({ argsList: [count], result_handler: send }) => {
      for (let part = 0; part < count; part += 1) send({ options: { progress: true }, argsList: [part] });
      return { argsList: ['end'] };
    });
    const parts = [];
    const options = { progress_callback: ({ argsList }) => parts.push(argsList[0]) };
    assert.equal(await call(alice, procedure, [5], options), 'end');
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
    const waiting = alice.wampy.call(procedure, []);
    const { reqId } = alice.wampy.getOpStatus();
    await begun.next('INVOCATION');
    // wampy.js cannot be interrupted as a callee: the caller gets its answer at once.
    alice.wampy.cancel(reqId, { mode: 'kill' });
    await refused(waiting, 'wamp.error.canceled');
  },

  async 'time-outs'(alice, bob) {
    const procedure = fresh();
    await register(bob, procedure, () => new Promise(() => {}));
    await refused(alice.wampy.call(procedure, [], { timeout: 50 }), 'wamp.error.timeout');
  },

  async 'shared registrations'(alice, bob, carol) {
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
    await refused(carol.wampy.register(procedure, answers('carol')), 'wamp.error.procedure_already_exists');
  },

  async 'packed payload'(alice, bob) {
    const procedure = fresh();
    const packed = { ppt_scheme: 'x_example', ppt_serializer: 'native' };
    await register(bob, procedure, ({ argsList, argsDict }) => ({ argsList, argsDict, options: packed }));
    const payload = { argsList: [1, 'two', [3]], argsDict: { four: 4 } };
    const result = await soon(alice.wampy.call(procedure, payload, packed), 'RESULT');
    assert.deepEqual([result.argsList, result.argsDict], [payload.argsList, payload.argsDict]);
    assert.equal(result.details.ppt_scheme, packed.ppt_scheme);
    const events = await subscribed(bob, procedure);
    await publish(alice, procedure, payload, packed);
    const event = await events.next('EVENT');
    assert.deepEqual([event.argsList, event.argsDict], [payload.argsList, payload.argsDict]);
  },

  async 'meta events and procedures'(alice, bob) {
    const procedure = fresh();
    const created = await subscribed(alice, 'wamp.registration.on_create');
    const { registrationId } = await register(bob, procedure, answers('bob'));
    let event;
    do event = await created.next('on_create'); while (event.argsList[1].uri !== procedure);
    assert.deepEqual([event.argsList[0], event.argsList[1].id].map(Number), [id(bob), Number(registrationId)]);
    assert.equal(Number(await call(alice, 'wamp.registration.match', [procedure])), Number(registrationId));
    assert.equal((await call(alice, 'wamp.session.get', [id(bob)])).transport.type, 'websocket');
    await refused(alice.wampy.call('wamp.session.get', [1]), 'wamp.error.no_such_session');
  },

  async 'testaments'(alice, bob, carol, url) {
    const topic = fresh();
    const events = await subscribed(alice, topic);
    await withSession(url, 'json', undefined, async (mortal) => {
      await call(mortal, 'wamp.session.add_testament', [topic, ['gone'], {}]);
      assert.ok(events.isEmpty);
    });
    assert.deepEqual((await events.next('the testament')).argsList, ['gone']);
  },
};

await runAll('wampy.js', (url) => withEachSerializer(FEATURES, Object.keys(SERIALIZERS), withSessions, url), TIMEOUT);
