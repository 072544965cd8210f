// What the scripts of this folder have in common: they take an address, run scenarios and count.

import { basename } from 'node:path';

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
