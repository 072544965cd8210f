// What the scripts for Node.js have in common: they take an address, run scenarios and count.

import { strict as assert } from 'node:assert';
import { basename } from 'node:path';

// How long any single answer may take, in milliseconds; far more than a gateway on the same machine needs.
const PATIENCE = 10_000;

/** Waits, but not for ever. */
export function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in time: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Runs the `[name, function]` pairs that `scenarios` makes of the address on the command line, for `timeout`
 * milliseconds at most. Prints `N passed, N failed` and ends the process, with exit code 1 if anything failed.
 */
export async function runAll(title, scenarios, timeout) {
  const [script, url] = process.argv.slice(1);
  if (url === undefined) {
    console.error(`usage: ${basename(script)} ws://HOST:PORT/PATH`);
    process.exit(2);
  }
  setTimeout(() => {
    console.error(`not finished after ${timeout / 1000} s`);
    process.exit(1);
  }, timeout).unref();

  let passed = 0;
  let failed = 0;
  for (const [name, run] of scenarios(url)) {
    console.log(`${title}: ${name}`);
    try {
      await run();
      passed += 1;
    } catch (error) {
      console.error(error);
      console.log(`FAILED: ${name}`);
      failed += 1;
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

let names = 0;

/** A URI that no other step has used. */
export function fresh() {
  names += 1;
  return `com.example.features.n${names}`;
}

/** Waits for an error with this URI, which each library has under another name. */
export async function refused(promise, uri) {
  const error = await soon(promise, uri).then((answer) => {
    throw new Error(`${JSON.stringify(answer)} instead of ${uri}`);
  }, (reason) => reason);
  assert.equal(error.error ?? error.errorUri, uri, String(error.stack ?? error));
}

/** Which callees of a shared registration four calls go to, sorted; nothing where it is left to chance. */
export const SHARED = [
  ['first', ['bob', 'bob', 'bob', 'bob']],
  ['last', ['carol', 'carol', 'carol', 'carol']],
  ['roundrobin', ['bob', 'bob', 'carol', 'carol']],
  ['random', undefined],
];

/** Scenarios: each feature with three sessions, and each serializer on both sides of it. */
export function* withEachSerializer(features, serializers, withSessions, url) {
  for (const at of serializers.keys()) {
    const three = [0, 1, 2].map((place) => serializers[(at + place) % serializers.length]);
    for (const [feature, run] of Object.entries(features)) {
      yield [`${feature}, ${three.join(', ')}`, () => withSessions(url, three, (...sessions) => run(...sessions, url))];
    }
  }
}

/** Values that arrive one after the other. */
export class Inbox {
  #values = [];
  #waiting = [];

  push(value) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(value); else this.#values.push(value);
  }

  next(what) {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift());
    return soon(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  get isEmpty() {
    return this.#values.length === 0;
  }
}
