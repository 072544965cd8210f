// The operator's page. It gets a view of the gateway once a second over a WebSocket, and sends orders over the same one.

'use strict';

// How long the page waits before it connects again, in milliseconds.
const AGAIN = 1500;
// The gateway closes with this code a page that it does not know, or whose token is wrong.
const UNKNOWN = 4401;
// Over how many views rates are taken.
const WINDOW = 6;
// Outcomes of decisions that are no failures.
const ANSWERS = ['anonymous', 'none', 'defer', 'deny', 'routed', 'accept', 'secret', 'unknown', 'allow'];

const $ = (id) => document.getElementById(id);
const said = (name) => document.querySelector(`meta[name="wampgate-${name}"]`).content;

const asksForToken = said('asks-for-token') === 'yes';
let token = '';
let socket;
let number = 0;
let samples = [];
let lastFound;
const waiting = new Map();

// === The connection ===

function connect() {
  const place = new URL('live', location.href);
  place.protocol = place.protocol.replace('http', 'ws');
  socket = new WebSocket(place);
  socket.onopen = () => {
    socket.send(JSON.stringify(asksForToken ? { key: said('key'), token } : { key: said('key') }));
    if ($('wanted').value) watch();
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.view) show(message.view);
    else settle(message);
  };
  socket.onclose = ({ code }) => {
    for (const { fail } of waiting.values()) fail(new Error('the gateway has closed the connection'));
    waiting.clear();
    samples = [];
    if (code === UNKNOWN && asksForToken) return askForToken('The gateway does not accept this token.');
    // A gateway that was started again has a page with another key.
    if (code === UNKNOWN) return location.reload();
    tell('waiting', 'connecting …');
    setTimeout(connect, AGAIN);
  };
}

function askForToken(fault) {
  tell('waiting', 'waiting for the token');
  $('all').hidden = true;
  $('login').hidden = false;
  $('login-fault').textContent = fault;
  $('token').value = '';
  $('token').focus();
}

function order(what) {
  number += 1;
  return new Promise((done, fail) => {
    if (socket.readyState !== WebSocket.OPEN) return fail(new Error('the gateway cannot be reached now'));
    waiting.set(number, { done, fail });
    socket.send(JSON.stringify({ number, order: what }));
  });
}

function settle(message) {
  const asked = waiting.get(message.number);
  waiting.delete(message.number);
  if (message.failed === undefined) asked?.done(message.done);
  else asked?.fail(new Error(message.failed));
}

function watch() {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: $('wanted').value.trim() }));
}

function tell(state, text) {
  $('status').dataset.state = state;
  if ($('status').textContent !== text) $('status').textContent = text;
}

// === Numbers, in the text format of Prometheus ===

function parse(text) {
  const found = new Map();
  for (const line of text.split('\n')) {
    const read = /^([A-Za-z_]\w*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!read) continue;
    const labels = {};
    for (const [, name, value] of (read[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
    }
    if (!found.has(read[1])) found.set(read[1], []);
    found.get(read[1]).push({ labels, value: read[3] === '+Inf' ? Infinity : Number(read[3]) });
  }
  return found;
}

const fits = (labels, wanted) => Object.entries(wanted).every(([name, value]) => labels[name] === value);

function sum(numbers, name, wanted = {}) {
  const values = (numbers.get(name) ?? []).filter(({ labels }) => fits(labels, wanted));
  return values.length ? values.reduce((all, { value }) => all + value, 0) : undefined;
}

function rate(name, wanted) {
  const [first, last] = [samples[0], samples.at(-1)];
  const seconds = (last.at - first.at) / 1000;
  if (seconds <= 0) return undefined;
  return Math.max(0, (sum(last.numbers, name, wanted) ?? 0) - (sum(first.numbers, name, wanted) ?? 0)) / seconds;
}

/** The buckets of a histogram: how many values are at most `le` and above the bucket before. */
function buckets(numbers, name, wanted) {
  const all = (numbers.get(`${name}_bucket`) ?? []).filter(({ labels }) => fits(labels, wanted));
  const upper = ({ labels }) => (labels.le === '+Inf' ? Infinity : Number(labels.le));
  let below = 0;
  return all.sort((one, other) => upper(one) - upper(other)).map((bucket) => {
    const count = bucket.value - below;
    below = bucket.value;
    return { le: upper(bucket), count };
  });
}

function quantile(all, share) {
  const count = all.reduce((total, bucket) => total + bucket.count, 0);
  let seen = 0;
  for (const bucket of all) {
    seen += bucket.count;
    if (count > 0 && seen >= share * count) return bucket.le;
  }
  return undefined;
}

// === Texts ===

const NONE = '–';
const whole = (value) => (value === undefined ? NONE : Math.round(value).toLocaleString('en'));
const perSecond = (value) => {
  if (value === undefined) return NONE;
  return value >= 10 || value === 0 ? whole(value) : value.toFixed(1);
};

function bytes(value) {
  if (value === undefined || value === null) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let shown = value;
  for (; shown >= 1000 && unit < units.length - 1; unit += 1) shown /= 1000;
  return `${shown >= 10 || unit === 0 ? Math.round(shown) : shown.toFixed(1)} ${units[unit]}`;
}

function seconds(value) {
  if (value === undefined) return NONE;
  if (value === Infinity) return '> 5 s';
  if (value >= 1) return `≤ ${value} s`;
  return value >= 0.001 ? `≤ ${Number((value * 1e3).toFixed(2))} ms` : `≤ ${Math.round(value * 1e6)} µs`;
}

const time = (text) => (text ? text.replace('T', ' ').replace(/(\.\d+)?Z$/, '') : NONE);

// === Tables ===

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Brings a table to these rows of `{ key, cells, actions }`. What stays is not touched, so that the focus and a selection stay as well. A cell
 * is a text, or a text with a class.
 */
function fill(id, rows) {
  const table = $(id);
  const body = table.tBodies[0];
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const wanted = new Set(rows.map(({ key }) => key));
  for (const [key, row] of known) if (!wanted.has(key)) row.remove();
  rows.forEach(({ key, cells, actions }, place) => {
    let row = known.get(key);
    if (!row) {
      row = element('tr');
      row.dataset.key = key;
      for (const label of labels) row.insertCell().dataset.label = label;
    }
    cells.forEach((cell, at) => {
      const [text, className = ''] = Array.isArray(cell) ? cell : [cell];
      put(row.cells[at], text);
      if (row.cells[at].className !== className) row.cells[at].className = className;
    });
    if (actions) fillActions(row.cells[cells.length], actions);
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
  });
  table.hidden = rows.length === 0;
}

function fillActions(cell, actions) {
  const names = actions.map(({ name, of }) => `${name} ${of}`).join('\n');
  if (cell.dataset.names === names) return;
  cell.dataset.names = names;
  const box = element('span');
  for (const { name, of, run } of actions) {
    const button = element('button', name);
    button.type = 'button';
    button.append(element('span', ` ${of}`, 'quiet-label'));
    button.onclick = run;
    box.append(button);
  }
  cell.replaceChildren(box);
}

// === What is shown ===

function show(view) {
  $('login').hidden = true;
  $('all').hidden = false;
  const numbers = parse(view.metrics);
  samples = [...samples, { at: Date.parse(view.at), numbers }].slice(-WINDOW);
  put($('version'), view.version);
  const isReady = view.health.status === 'ready';
  tell(isReady ? 'ready' : 'not-ready', isReady ? 'ready' : 'not ready');
  const reasons = (view.health.reasons ?? []).map(({ message, name }) => (name ? `${name}: ${message}` : message));
  if ($('reasons').dataset.shown !== reasons.join('\n')) {
    $('reasons').dataset.shown = reasons.join('\n');
    $('reasons').replaceChildren(...reasons.map((reason) => element('li', reason)));
  }
  showTiles(view, numbers);
  showSessions(view.sessions);
  showPolicies(view.policies, numbers);
  showRefusals(view.refusals);
  showListeners(view.listeners);
  showUpstreams(view.upstreams);
  showRealms(view.realms, numbers);
  showStores(view.stores, numbers);
  showCertificates(view.certificates);
}

function showTiles(view, numbers) {
  const tiles = [
    ['sessions', whole(view.sessions.all)],
    ['connections', whole(sum(numbers, 'wampgate_open_connections'))],
    ['decisions a second', perSecond(rate('wampgate_policy_decisions_total', {}))],
    ['messages in a second', perSecond(rate('wampgate_messages_total', { direction: 'received' }))],
    ['messages out a second', perSecond(rate('wampgate_messages_total', { direction: 'sent' }))],
    ['refused a second', perSecond(rate('wampgate_refusals_total', {}))],
    ['cookies', whole(sum(numbers, 'wampgate_cookies'))],
    ['memory', bytes(sum(numbers, 'process_resident_memory_bytes'))],
  ];
  const list = $('tiles');
  tiles.forEach(([name, value], at) => {
    let tile = list.children[at];
    if (!tile) {
      tile = element('li');
      tile.append(element('strong'), element('span', name));
      list.append(tile);
    }
    put(tile.firstChild, value);
  });
}

function showSessions({ all, found, rows }) {
  const isPart = rows.length < found ? `, the newest ${rows.length} of them here` : '';
  put($('sessions-count'), found === all ? `${whole(all)}${isPart}` : `${whole(found)} of ${whole(all)}${isPart}`);
  fill('sessions', rows.map((row) => {
    const actions = [{
      name: 'End', of: `the session ${row.session}`,
      run: () => change('End this session?', `${row.authid} (${row.role}), session ${row.session} in ${row.realm}. Its client may join again.`,
        'End the session', { kill: { realm: row.realm, session: row.session } }, () => 'The session has ended.'),
    }];
    if (row.client && row.store) {
      actions.push({ name: 'Revoke cookie', of: `of ${row.client}`, run: () => revoke(row.store, row.client) });
    }
    return {
      key: `${row.realm} ${row.session}`,
      cells: [
        [`${row.session}`, 'whole'], row.authid, row.role, row.provider === row.method ? row.method : `${row.method} (${row.provider})`,
        row.policy ?? NONE, row.path ? `${row.path} at ${row.transport}` : 'an earlier configuration', row.client ?? NONE,
      ],
      actions,
    };
  }));
}

function showPolicies(policies, numbers) {
  const name = 'wampgate_policy_decision_seconds';
  fill('policies', policies.map(({ policy, contract, sha256, since }) => {
    const failures = (numbers.get('wampgate_policy_decisions_total') ?? [])
      .filter(({ labels }) => labels.policy === policy && !ANSWERS.includes(labels.outcome))
      .reduce((all, { value }) => all + value, 0);
    const all = buckets(numbers, name, { policy });
    return {
      key: policy,
      cells: [
        policy, contract, [sha256.slice(0, 12), 'whole'], [time(since), 'whole'],
        whole(sum(numbers, 'wampgate_policy_decisions_total', { policy })),
        perSecond(rate('wampgate_policy_decisions_total', { policy })),
        [whole(failures), failures > 0 ? 'bad' : ''],
        [seconds(quantile(all, 0.5)), 'whole'], [seconds(quantile(all, 0.99)), 'whole'],
      ],
    };
  }));
  const names = policies.map(({ policy }) => policy).join('\n');
  const place = $('histograms');
  if (place.dataset.names !== names) {
    place.dataset.names = names;
    place.replaceChildren(...policies.map(({ policy }) => histogram(policy)));
  }
  policies.forEach(({ policy }, at) => drawHistogram(place.children[at], buckets(numbers, name, { policy })));
}

function histogram(policy) {
  const figure = element('figure');
  const bars = element('ul', undefined, 'bars');
  bars.setAttribute('role', 'img');
  const scale = element('div', undefined, 'scale');
  scale.append(element('span', '≤ 10 µs'), element('span', '≤ 5 ms'), element('span', '> 5 s'));
  figure.append(element('figcaption', `How long ${policy} takes for a decision`), bars, scale);
  return figure;
}

function drawHistogram(figure, all) {
  const bars = figure.querySelector('.bars');
  const most = Math.max(1, ...all.map(({ count }) => count));
  while (bars.children.length < all.length) bars.append(element('li'));
  all.forEach(({ le, count }, at) => {
    const bar = bars.children[at];
    // A bucket with one decision in a million is seen.
    const height = count === 0 ? '0' : `max(3px, ${(100 * count) / most}%)`;
    if (bar.dataset.height !== height) {
      bar.dataset.height = height;
      bar.style.height = height;
    }
    bar.title = `${seconds(le)}: ${whole(count)}`;
  });
  const told = all.filter(({ count }) => count > 0).map(({ le, count }) => `${seconds(le)}: ${whole(count)}`);
  bars.setAttribute('aria-label', told.length ? told.join(', ') : 'no decision yet');
}

function showRefusals(refusals) {
  $('no-refusals').hidden = refusals.length > 0;
  fill('refusals', refusals.map((refused, at) => ({
    key: `${refused.at} ${refused.reason} ${refused.peer} ${refusals.length - at}`,
    cells: [[time(refused.at), 'whole'], refused.stage, refused.reason, refused.peer, refused.why, refused.left_out ? whole(refused.left_out) : ''],
  })));
}

function showListeners(listeners) {
  fill('listeners', listeners.map(({ transport, endpoint, tls, open, most, paths }) => ({
    key: transport,
    cells: [
      transport, endpoint, tls ? 'yes' : 'no', [whole(open), open > 0.9 * most ? 'bad' : ''], whole(most),
      paths.map(({ path, type }) => (path ? `${path} (${type})` : type)).join(', '),
    ],
  })));
}

function showUpstreams(upstreams) {
  $('no-upstreams').hidden = upstreams.length > 0;
  const row = ({ transport, path, choice, probed, configured }) => ({ address, clients, out }) => ({
    key: `${transport} ${path} ${address}`,
    cells: [
      `${transport} ${path}`, address, choice ?? NONE, probed ? 'yes' : 'no', whole(clients),
      configured ? [out ? 'out' : 'in', out ? 'bad' : 'good'] : ['no longer configured', 'bad'],
      out ? time(out.since) : NONE, out ? out.why : NONE,
    ],
  });
  fill('upstreams', upstreams.flatMap((upstream) => upstream.addresses.map(row(upstream))));
}

function showRealms(realms, numbers) {
  fill('realms', realms.map((realm) => ({
    key: realm,
    cells: [
      realm, whole(sum(numbers, 'wampgate_sessions', { realm })),
      ...['publications', 'events', 'calls'].map((what) => perSecond(rate(`wampgate_${what}_total`, { realm }))),
      whole(sum(numbers, 'wampgate_realm_inbox_slots', { realm })),
    ],
  })));
}

function showStores(stores, numbers) {
  $('no-stores').hidden = stores.length > 0;
  fill('stores', stores.map(({ store, type, bytes: size, connected }) => {
    const isReady = sum(numbers, 'wampgate_store_ready', { store }) !== 0;
    const count = (name) => whole(sum(numbers, name, { store }));
    return {
      key: store,
      cells: [
        store, type, [isReady ? 'yes' : 'no', isReady ? 'good' : 'bad'], count('wampgate_cookies'), [bytes(size), 'whole'], whole(connected),
        count('wampgate_cookies_created_total'), count('wampgate_cookies_expired_total'), count('wampgate_cookies_revoked_total'),
        count('wampgate_store_evictions_total'),
      ],
    };
  }));
  const names = stores.map(({ store }) => store);
  const select = $('store');
  if ([...select.options].map(({ value }) => value).join('\n') !== names.join('\n')) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  $('find').closest('section').hidden = stores.length === 0;
}

function showCertificates(certificates) {
  $('no-certificates').hidden = certificates.length > 0;
  const state = (days) => (days < 7 ? 'bad' : days < 14 ? 'wait' : 'good');
  fill('certificates', certificates.map(({ transport, names, file, until, days }) => ({
    key: `${transport} ${file}`,
    cells: [transport, names, [time(until), 'whole'], [whole(days), state(days)], file],
  })));
}

// === What the operator does ===

function ask(title, text, yes) {
  const dialog = $('sure');
  put($('sure-title'), title);
  put($('sure-text'), text);
  put($('sure-yes'), yes);
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclose = () => done(dialog.returnValue === 'yes');
  });
}

async function change(title, text, yes, what, tellDone) {
  if (!await ask(title, text, yes)) return;
  await order(what).then((done) => outcome(tellDone(done)), (error) => outcome(`Nothing was done: ${error.message}.`));
}

function revoke(store, client) {
  const text = `All cookies of the client ${client} are removed for good, and its connections end. It comes back as a new client.`;
  const done = ({ summary: { revoked } }) => {
    if (lastFound) find(lastFound);
    return `Revoked: ${revoked.records} cookies; ended: ${revoked.connections} connections.`;
  };
  return change('Revoke the cookie?', text, 'Revoke', { revoke: { store, client } }, done);
}

let fading;
function outcome(text) {
  clearTimeout(fading);
  $('outcome').textContent = text;
  fading = setTimeout(() => { $('outcome').textContent = ''; }, 8000);
}

async function find(asked) {
  lastFound = asked;
  put($('found'), 'looking …');
  try {
    const { cookies, summary } = await order({ find: asked });
    const { records } = summary.listed;
    put($('found'), records > cookies.length ? `${whole(records)} cookies, ${cookies.length} of them here` : `${whole(records)} cookies`);
    fill('cookies', cookies.map((cookie, at) => ({
      key: `${cookie.public_id} ${cookie.created} ${at}`,
      cells: [
        cookie.public_id,
        cookie.authentication ? `${cookie.authentication.authid} (${cookie.authentication.authrole}) by ${cookie.authentication.authmethod}` : NONE,
        [time(cookie.created), 'whole'], [time(cookie.last_seen), 'whole'], [time(cookie.expires), 'whole'], whole(cookie.connections),
      ],
      actions: [{ name: 'Revoke', of: `the cookies of ${cookie.public_id}`, run: () => revoke(asked.store, cookie.public_id) }],
    })));
  } catch (error) {
    put($('found'), error.message);
    fill('cookies', []);
  }
}

let typing;
$('wanted').oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(watch, 200);
};
$('find').onsubmit = (event) => {
  event.preventDefault();
  find({ store: $('store').value, client: $('client').value.trim() });
};
$('login').onsubmit = (event) => {
  event.preventDefault();
  token = $('token').value;
  $('login-fault').textContent = '';
  tell('waiting', 'connecting …');
  connect();
};

if (asksForToken) askForToken('');
else connect();
