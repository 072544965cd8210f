// What the scripts of this folder have in common: they start headless Chromium, run scenarios and count.

import { chromium } from 'playwright-core';

// The whole run, in milliseconds.
const TIMEOUT = 180_000;

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

// Nothing but the pages themselves may cause traffic.
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/**
 * Runs each scenario with `{ browser, gateway }`, where `start` gives the gateway, and stops both. Prints `N passed, N failed` and ends
 * the process, with exit code 1 if anything failed.
 */
export async function runAll(scenarios, start, remove) {
  setTimeout(() => {
    console.error(`not finished after ${TIMEOUT / 1000} s`);
    process.exit(1);
  }, TIMEOUT).unref();
  // The exit handlers end the gateways; a signal's default would skip them.
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));

  let browser;
  let gateway;
  let passed = 0;
  let failed = 0;
  const isDone = async (what, run) => {
    try {
      await run();
      return true;
    } catch (error) {
      console.error(error);
      console.log(`FAILED: ${what}`);
      failed += 1;
      return false;
    }
  };
  await isDone('start', async () => {
    gateway = await start();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
    for (const scenario of scenarios) {
      console.log(`chromium: ${scenario.name}`);
      if (await isDone(scenario.name, () => scenario({ browser, gateway }))) passed += 1;
    }
  });
  await isDone('stop', async () => {
    await browser?.close();
    await gateway?.stop();
  });
  remove();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
