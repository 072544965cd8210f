// Uses the example application as people do: in headless Chromium, served by the gateway with the example's own configuration.
//
//     WAMPGATE_BIN=target/debug/wampgate node chat.js [FOLDER FOR SCREENSHOTS]
//
// Needs `npm run setup` in examples/chat. Ends with `N passed, N failed` and, if anything failed, exit code 1.

import { strict as assert } from 'node:assert';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { nodeDir, start } from './gateway.js';
import { runAll } from './run.js';

// Each single step, in milliseconds.
const PATIENCE = 20_000;

const example = resolve(import.meta.dirname, '../../../examples/chat');
const screenshots = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'wampgate-chat-'));
const faults = [];

const step = (text) => console.log(`    ${text}`);

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

async function visitorsReadAndMembersWrite({ browser, gateway: { origin } }) {
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
  assert.deepEqual(faults, []);
}

async function aBrowserWithoutCookiesIsTold({ browser, gateway: { origin } }) {
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
  assert.deepEqual(faults, []);
}

mkdirSync(screenshots, { recursive: true });
console.log(`screenshots are in ${screenshots}`);
const node = nodeDir();
cpSync(join(example, 'config.json'), join(node.path, 'config.json'));
cpSync(join(example, 'web'), join(node.path, 'web'), { recursive: true });
await runAll(
  [visitorsReadAndMembersWrite, aBrowserWithoutCookiesIsTold],
  () => start(['--config', join(node.path, 'config.json'), '--port', '0']),
  node.remove,
);
