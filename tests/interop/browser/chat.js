// Uses the example application as people do: in headless Chromium, served by the gateway with the example's own configuration.
//
//     WAMPGATE_BIN=target/debug/wampgate node chat.js [FOLDER FOR SCREENSHOTS]
//
// Needs `npm run setup` in examples/chat. Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';

// The whole run, and each single step, in milliseconds.
const TIMEOUT = 180_000;
const PATIENCE = 20_000;

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const example = resolve(import.meta.dirname, '../../../examples/chat');
const binary = resolve(process.env.WAMPGATE_BIN ?? 'target/debug/wampgate');
const screenshots = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'wampgate-chat-'));
const faults = [];

const step = (text) => console.log(`    ${text}`);

async function start(node) {
  const child = spawn(binary, ['run', '--config', join(node, 'config.json'), '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.on('exit', () => child.kill('SIGKILL'));
  let output = '';
  const origin = await new Promise((found, failed) => {
    const read = (chunk) => {
      output += chunk;
      const match = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(output);
      if (match) found(match[1]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('exit', (code) => failed(new Error(`the gateway ended with ${code}:\n${output}`)));
    child.on('error', failed);
  });
  return { child, origin };
}

async function open(context, origin) {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && host !== new URL(origin).host) faults.push(`outside: ${request.url()}`);
  });
  await page.goto(`${origin}/`);
  return page;
}

const says = (page, text) => page.getByRole('status').filter({ hasText: text }).waitFor();

async function logIn(page, name, ticket) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Ticket').fill(ticket);
  await page.getByRole('button', { name: 'Log in' }).click();
}

async function visitorsReadAndMembersWrite({ browser, origin }) {
  const mine = await browser.newContext();
  const first = await open(mine, origin);
  await says(first, 'reading as');
  const anonymous = await first.getByRole('status').innerText();
  await first.reload();
  await says(first, anonymous);
  step('a visitor keeps the same name');

  await logIn(first, 'joe', 'wrong');
  await first.getByRole('alert').filter({ hasText: 'do not belong together' }).waitFor();
  await says(first, 'reading as');
  step('a wrong ticket is told, and the visitor goes on reading');

  const second = await open(mine, origin);
  await says(second, 'reading as');
  await logIn(first, 'joe', 'change-me');
  await says(first, 'logged in as joe');
  await says(second, 'logged in as joe');
  step('a login in one tab is one in the other');

  const other = await open(await browser.newContext(), origin);
  await says(other, 'reading as');
  await first.getByRole('textbox', { name: 'Message' }).fill('hello from joe');
  await first.getByRole('button', { name: 'Send' }).click();
  for (const page of [first, second, other]) await page.getByText('joe: hello from joe').waitFor();
  await first.screenshot({ path: join(screenshots, 'chat-member.png') });
  await other.screenshot({ path: join(screenshots, 'chat-visitor.png') });
  step('everyone reads what a member writes');

  await first.reload();
  await says(first, 'logged in as joe');
  step('a member comes back without logging in');

  await first.getByRole('button', { name: 'Log out' }).click();
  await says(first, 'reading as');
  await says(second, 'reading as');
  await first.reload();
  await says(first, 'reading as');
  step('logging out ends the login in every tab, and after a reload');
}

async function aBrowserWithoutCookiesIsTold({ browser, origin }) {
  const context = await browser.newContext();
  const page = await open(context, origin);
  await says(page, 'reading as');
  assert.equal(await page.getByRole('alert').isVisible(), false, 'a first visit needs no hint');
  await context.clearCookies();
  await page.reload();
  await page.getByRole('alert').filter({ hasText: 'did not keep the cookie' }).waitFor();
  await page.setViewportSize({ width: 360, height: 640 });
  await page.screenshot({ path: join(screenshots, 'chat-no-cookies.png') });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `the page is ${width} pixels wide`);
  step('a browser that does not keep the cookie is told so');
}

mkdirSync(screenshots, { recursive: true });
setTimeout(() => {
  console.error(`not finished after ${TIMEOUT / 1000} s`);
  process.exit(1);
}, TIMEOUT).unref();

const node = mkdtempSync(join(tmpdir(), 'wampgate-chat-node-'));
let browser;
let gateway;
let passed = 0;
let failed = 0;
try {
  cpSync(join(example, 'config.json'), join(node, 'config.json'));
  cpSync(join(example, 'web'), join(node, 'web'), { recursive: true });
  gateway = await start(node);
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  for (const scenario of [visitorsReadAndMembersWrite, aBrowserWithoutCookiesIsTold]) {
    console.log(`chromium: ${scenario.name}`);
    try {
      await scenario({ browser, origin: gateway.origin });
      assert.deepEqual(faults, []);
      passed += 1;
    } catch (error) {
      console.error(error);
      console.log(`FAILED: ${scenario.name}`);
      failed += 1;
    }
  }
} catch (error) {
  console.error(error);
  failed += 1;
} finally {
  await browser?.close();
  gateway?.child.removeAllListeners('exit');
  gateway?.child.kill('SIGTERM');
  rmSync(node, { recursive: true, force: true });
}
console.log(`screenshots are in ${screenshots}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
