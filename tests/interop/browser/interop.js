// Opens the built-in page in headless Chromium, as a newcomer would.
//
//     WAMPGATE_BIN=target/debug/wampgate node interop.js [FOLDER FOR SCREENSHOTS]
//
// Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeDir, startPage } from './gateway.js';
import { runAll } from './run.js';
import { COOKIE, Visitor } from './visitor.js';

const screenshots = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'wampgate-screenshots-'));

const step = (text) => console.log(`    ${text}`);

async function reloadKeepsTheAuthid({ browser, gateway }) {
  const visitor = await Visitor.arrive(browser, gateway.origin);
  const authid = await visitor.authid();
  assert.equal(await visitor.isRecognised(), false, 'a first visit was recognised');
  step('first visit: an authid, not recognised');

  const cookie = await visitor.cookie();
  assert.equal(cookie.httpOnly, true, 'the cookie is not HttpOnly');
  assert.equal(cookie.sameSite, 'Lax');
  assert.equal(cookie.path, '/');
  const visible = await visitor.page.evaluate('document.cookie');
  assert.ok(!visible.includes(COOKIE) && !visible.includes(cookie.value), 'a script can read the cookie');
  step('the cookie is HttpOnly and SameSite=Lax');

  await visitor.reload();
  assert.equal(await visitor.authid(), authid, 'the authid has changed');
  assert.equal(await visitor.isRecognised(), true, 'a known visitor was not recognised');
  assert.equal((await visitor.cookie()).value, cookie.value, 'the cookie has changed');
  await visitor.page.screenshot({ path: join(screenshots, 'recognised.png'), fullPage: true });
  step('reloaded: same authid, recognised');

  visitor.assertClean();
  await visitor.leave();
}

async function aBrowserThatKeepsNoCookieIsTold({ browser, gateway }) {
  const visitor = await Visitor.arrive(browser, gateway.origin);
  assert.equal(await visitor.page.locator('#no-cookie').isVisible(), false, 'a first visit needs no hint');
  await visitor.context.clearCookies();
  await visitor.reload();
  await visitor.page.locator('#no-cookie').waitFor();
  await visitor.page.screenshot({ path: join(screenshots, 'no-cookie.png') });
  await visitor.reload();
  await visitor.page.locator('#no-cookie').waitFor({ state: 'hidden' });
  step('the page says that the cookie was not kept, until it is');
  visitor.assertClean();
  await visitor.leave();
}

async function twoVisitorsSeePublicIds({ browser, gateway }) {
  const alice = await Visitor.arrive(browser, gateway.origin);
  const bob = await Visitor.arrive(browser, gateway.origin);
  assert.notEqual(await alice.authid(), await bob.authid(), 'two contexts are one visitor');
  const names = { alice: await alice.publicId(), bob: await bob.publicId() };
  assert.notEqual(names.alice, names.bob);

  await alice.press('#publish', [[bob, names.alice]]);
  await bob.press('#publish', [[alice, names.bob]]);
  step('published: each sees who it was');

  // Whichever of the two is called, the peer's name is in one of the logs: as the caller's or as the callee's.
  await bob.press('#call', [[alice, names.bob], [bob, names.alice]]);
  step('called: the peer is named');

  for (const [watcher, other] of [[alice, bob], [bob, alice]]) {
    const secret = (await other.cookie()).value;
    assert.ok(!(await watcher.page.content()).includes(secret), 'a page shows another visitor\'s cookie ID');
  }
  step('no page shows the other\'s cookie ID');

  await alice.page.screenshot({ path: join(screenshots, 'two-visitors.png'), fullPage: true });
  for (const visitor of [alice, bob]) {
    visitor.assertClean();
    await visitor.leave();
  }
}

async function restartKeepsTheAuthid({ browser }) {
  const node = nodeDir();
  try {
    const store = { type: 'file', filename: 'cookies.dat' };
    const first = await startPage(node, store);
    const visitor = await Visitor.arrive(browser, first.origin);
    const authid = await visitor.authid();
    // Away from the page, so that it cannot complain about a gateway that is meant to be gone.
    await visitor.page.goto('about:blank');
    await first.stop();
    step('the gateway has stopped');

    const second = await startPage(node, store, first.port);
    await visitor.page.goto(`${second.origin}/`);
    await visitor.joined();
    assert.equal(await visitor.authid(), authid, 'the authid did not survive the restart');
    assert.equal(await visitor.isRecognised(), true);
    await visitor.page.screenshot({ path: join(screenshots, 'restarted.png'), fullPage: true });
    visitor.assertClean();
    await visitor.leave();
    await second.stop();
    step('restarted: same authid, recognised');
  } finally {
    node.remove();
  }
}

mkdirSync(screenshots, { recursive: true });
console.log(`screenshots are in ${screenshots}`);
const node = nodeDir();
await runAll(
  [reloadKeepsTheAuthid, aBrowserThatKeepsNoCookieIsTold, twoVisitorsSeePublicIds, restartKeepsTheAuthid],
  () => startPage(node, { type: 'memory' }),
  node.remove,
);
