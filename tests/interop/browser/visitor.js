// A person with a browser: a context of its own (so an identity of its own) and a watch on everything that a page of
// the gateway must not do.

import { strict as assert } from 'node:assert';

export const COOKIE = 'cbtid';

// How long the page may take to show something, in milliseconds.
const PATIENCE = 10_000;

export class Visitor {
  constructor(context, page, origin, faults) {
    Object.assign(this, { context, page, origin, faults });
  }

  /** Opens the page in a fresh context and waits until it has joined. */
  static async arrive(browser, origin) {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const visitor = new Visitor(context, page, origin, []);
    visitor.watch();
    await page.goto(`${origin}/`);
    await visitor.joined();
    return visitor;
  }

  /** Notes everything that the page must not do. */
  watch() {
    const outside = (url) => {
      const { host, protocol } = new URL(url);
      if (!['data:', 'blob:', 'about:'].includes(protocol) && host !== new URL(this.origin).host) {
        this.faults.push(`asked for something outside its origin: ${url}`);
      }
    };
    this.page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(`console: ${message.text()} (${message.location().url})`);
    });
    this.page.on('pageerror', (error) => this.faults.push(`uncaught: ${error.message}`));
    this.page.on('request', (request) => outside(request.url()));
    this.page.on('websocket', (socket) => outside(socket.url()));
    this.page.on('crash', () => this.faults.push('the page crashed'));
  }

  async joined() {
    await this.page.waitForFunction(() => document.querySelector('#authid')?.textContent.trim().length > 5
      && document.querySelector('#public-id')?.textContent.trim().length > 0);
  }

  async reload() {
    await this.page.reload();
    await this.joined();
  }

  text(selector) {
    return this.page.locator(selector).innerText().then((text) => text.trim());
  }

  authid() { return this.text('#authid'); }

  publicId() { return this.text('#public-id'); }

  /** Whether the page says that the gateway knew this visitor. */
  async isRecognised() {
    const text = await this.text('#recognised');
    const yes = /\b(recogni[sz]ed|known|yes|true)\b/i.test(text);
    const no = /\b(not|no|new|false|first|unknown)\b/i.test(text);
    assert.ok(yes || no, `#recognised says neither yes nor no: ${JSON.stringify(text)}`);
    return yes && !no;
  }

  async cookie() {
    const cookies = await this.context.cookies(this.origin);
    const found = cookies.find(({ name }) => name === COOKIE);
    assert.ok(found, `no cookie ${COOKIE} among ${cookies.map(({ name }) => name)}`);
    return found;
  }

  log() { return this.text('#log'); }

  /** Whether the log says `text` more often than it did in `earlier`, now or soon. */
  async #logs(text, earlier) {
    const newly = ([wanted, before]) => {
      const log = document.querySelector('#log').innerText;
      return log.split(wanted).length > before.split(wanted).length;
    };
    return this.page.waitForFunction(newly, [text, earlier], { timeout: PATIENCE / 10 }).then(() => true, () => false);
  }

  /**
   * Presses a button until one of the logs names the peer: `expected` is a list of [visitor, text]. Once is not always
   * enough, because two pages that have just joined may not know of each other yet.
   */
  async press(button, expected) {
    const before = await Promise.all(expected.map(([visitor]) => visitor.log()));
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await this.page.click(button);
      const seen = await Promise.all(expected.map(([visitor, text], index) => visitor.#logs(text, before[index])));
      if (seen.some(Boolean)) return;
    }
    const logs = await Promise.all(expected.map(([visitor]) => visitor.log()));
    assert.fail(`${button} was pressed, and no log names ${expected.map(([, text]) => text)}:\n${logs.join('\n--\n')}`);
  }

  /** Fails if the page has done anything that it must not. */
  assertClean() {
    assert.deepEqual(this.faults, []);
  }

  leave() { return this.context.close(); }
}
