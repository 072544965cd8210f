// The operator's page in headless Chromium: what it shows, what it does, by mouse and by keyboard, on a phone and in the dark.
//
//     WAMPGATE_BIN=target/debug/wampgate node console.js [FOLDER FOR SCREENSHOTS]
//
// Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeDir, start } from './gateway.js';
import { runAll } from './run.js';
import { Visitor } from './visitor.js';

const screenshots = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'wampgate-screenshots-'));
const TOKEN = 'a-token-that-is-long-enough';
const PATIENCE = 10_000;

const step = (text) => console.log(`    ${text}`);

const node = nodeDir();

/** A gateway with the built-in page, and the operator's page with a token beside it. */
function startGateway() {
  writeFileSync(join(node.path, 'config.json'), JSON.stringify({
    transports: [{
      type: 'web',
      endpoint: { type: 'tcp', interface: '127.0.0.1', port: 0 },
      paths: {
        '/': { type: 'page' },
        ws: { type: 'websocket', cookie: { store: { type: 'file', filename: 'cookies.dat' } } },
        operator: { type: 'admin', token: TOKEN },
      },
    }],
  }));
  return start(['--node-dir', node.path]);
}

/** A person who looks after the gateway. */
class Operator extends Visitor {
  static async open(browser, origin, settings = {}) {
    const context = await browser.newContext(settings);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const operator = new Operator(context, page, origin, []);
    operator.watch();
    await page.goto(`${origin}/operator/`);
    return operator;
  }

  async logIn(token = TOKEN) {
    await this.page.fill('#token', token);
    await this.page.keyboard.press('Enter');
  }

  static async in(browser, origin, settings) {
    const operator = await Operator.open(browser, origin, settings);
    await operator.logIn();
    await operator.page.locator('#all').waitFor();
    return operator;
  }

  /** Waits until the table has so many rows. */
  async rows(table, count) {
    await this.page.waitForFunction(([id, wanted]) => document.querySelectorAll(`${id} tbody tr`).length === wanted, [table, count]);
    return this.page.locator(`${table} tbody tr`);
  }

  async isNoWiderThanTheScreen() {
    const { width, screen } = await this.page.evaluate(() => ({
      width: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth,
    }));
    assert.ok(width <= screen, `the page is ${width} wide on a screen of ${screen}`);
  }

  shot(name) { return this.page.screenshot({ path: join(screenshots, `operator-${name}.png`), fullPage: true }); }
}

async function aWrongTokenShowsNothing({ browser, gateway }) {
  const operator = await Operator.open(browser, gateway.origin);
  await operator.shot('login');
  await operator.logIn('a-token-that-is-not-the-one');
  await operator.page.waitForFunction(() => document.querySelector('#login-fault').textContent.length > 0);
  assert.equal(await operator.page.locator('#all').isVisible(), false);
  assert.equal(await operator.page.evaluate(() => document.activeElement.id), 'token');
  step('a wrong token: the page asks again');
  await operator.logIn();
  await operator.page.locator('#all').waitFor();
  assert.equal(await operator.text('#status'), 'ready');
  step('the right one: the gateway is ready');
  operator.assertClean();
  await operator.leave();
}

async function theGatewayIsShownLive({ browser, gateway }) {
  const operator = await Operator.in(browser, gateway.origin);
  const visitor = await Visitor.arrive(browser, gateway.origin);
  const publicId = await visitor.publicId();
  const rows = await operator.rows('#sessions', 1);
  assert.match(await rows.innerText(), new RegExp(publicId));
  assert.match(await rows.innerText(), /anonymous[\s\S]*default[\s\S]*\/ws at 0/);
  assert.ok(!(await operator.page.content()).includes((await visitor.cookie()).value), 'the page shows a tracking ID');
  step('a visitor came: a session with the public ID, its role, method and policy');

  await operator.page.waitForFunction(() => /^≤ /.test(document.querySelector('#policies tbody tr td:nth-child(8)').textContent));
  assert.match(await operator.page.locator('.bars').first().getAttribute('aria-label'), /s: 1/);
  for (const [id, wanted] of [['#listeners', /\/operator \(admin\)/], ['#realms', /realm1/], ['#stores', /cookies\.dat/]]) {
    assert.match(await operator.page.locator(`${id} tbody`).innerText(), wanted);
  }
  step('policies with times, listeners, realms and stores are there');

  await operator.page.fill('#wanted', 'no such client');
  await operator.rows('#sessions', 0);
  await operator.page.fill('#wanted', publicId.slice(0, 8));
  await operator.rows('#sessions', 1);
  step('the operator finds a session by a part of its authid');

  // The gateway refuses a page of another site, and says why.
  await fetch(`${gateway.origin}/nothing-here`);
  await operator.page.waitForFunction(() => document.querySelector('#refusals tbody').textContent.includes('not-found'));
  step('a request that was refused is among the last failures');

  await operator.shot('light');
  operator.assertClean();
  await visitor.leave();
  await operator.leave();
}

async function sessionsAndCookiesEndByKeyboard({ browser, gateway }) {
  const operator = await Operator.in(browser, gateway.origin, { colorScheme: 'dark' });
  await operator.rows('#sessions', 0);
  const visitor = await Visitor.arrive(browser, gateway.origin);
  const [publicId, authid] = [await visitor.publicId(), await visitor.authid()];
  await operator.rows('#sessions', 1);
  const { page } = operator;

  await page.focus('#wanted');
  await page.keyboard.press('Tab');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^End the session \d+$/);
  await page.waitForTimeout(2500);
  assert.match(await page.evaluate(() => document.activeElement.textContent), /^End the session \d+$/, 'a view has taken the focus');
  await page.keyboard.press('Enter');
  await page.locator('#sure[open]').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.value), 'no', 'Enter would end the session at once');
  await operator.shot('dark');
  await page.keyboard.press('Escape');
  await page.locator('#sure').waitFor({ state: 'hidden' });
  await operator.rows('#sessions', 1);
  step('Escape leaves the session alone');

  await page.keyboard.press('Enter');
  await page.locator('#sure[open]').waitFor();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#outcome').textContent === 'The session has ended.');
  step('Enter on the other button ends it');

  // The built-in page joins again by itself, as the same client.
  await visitor.page.goto(`${gateway.origin}/`);
  await visitor.joined();
  assert.equal(await visitor.authid(), authid);
  await page.fill('#client', publicId);
  await page.keyboard.press('Enter');
  const cookies = await operator.rows('#cookies', 1);
  assert.match(await cookies.innerText(), new RegExp(publicId));
  await cookies.getByRole('button').focus();
  await page.keyboard.press('Enter');
  await page.locator('#sure[open]').waitFor();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#outcome').textContent.startsWith('Revoked: 1 cookies'));
  await operator.rows('#cookies', 0);
  await visitor.page.goto(`${gateway.origin}/`);
  await visitor.page.waitForFunction((before) => ![before, '…'].includes(document.querySelector('#authid').textContent), authid);
  step('a revoked cookie makes its client a new one');

  operator.assertClean();
  await visitor.leave();
  await operator.leave();
}

async function aPhoneShowsAll({ browser, gateway }) {
  const operator = await Operator.in(browser, gateway.origin, { viewport: { width: 360, height: 740 } });
  const visitor = await Visitor.arrive(browser, gateway.origin);
  await operator.rows('#sessions', 1);
  await operator.isNoWiderThanTheScreen();
  await operator.shot('phone');
  step('nothing is wider than 360 pixels');
  operator.assertClean();
  await visitor.leave();
  await operator.leave();
}

async function noOtherOriginReadsThePageOrConnects({ browser, gateway }) {
  const operator = await Operator.open(browser, gateway.origin);
  const { page } = operator;
  // localhost is another origin than 127.0.0.1, and reaches the same gateway.
  await page.goto(gateway.origin.replace('127.0.0.1', 'localhost'));
  const read = await page.evaluate((url) => fetch(url).then(() => 'read', () => 'refused'), `${gateway.origin}/operator/`);
  assert.equal(read, 'refused', 'a page of another origin reads the key');
  const opened = await page.evaluate((url) => new Promise((done) => {
    const socket = new WebSocket(url);
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
  }), `${gateway.origin.replace('http', 'ws')}/operator/live`);
  assert.equal(opened, 'refused', 'a page of another origin connects');
  step('a page of another origin neither reads the key nor connects');
  await operator.leave();
}

mkdirSync(screenshots, { recursive: true });
console.log(`screenshots are in ${screenshots}`);
await runAll(
  [aWrongTokenShowsNothing, theGatewayIsShownLive, sessionsAndCookiesEndByKeyboard, aPhoneShowsAll, noOtherOriginReadsThePageOrConnects],
  startGateway,
  node.remove,
);
