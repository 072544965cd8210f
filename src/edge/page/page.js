// The smallest WAMP client that shows what the gateway does: wamp.2.json over one WebSocket, written out by hand.
"use strict";

const REALM = "realm1";
const GREETINGS = "com.example.hello";
const PRESENCE = "com.example.presence";
const PROCEDURE = "com.example.whoami";

// Message type codes of the WAMP specification, "Message Codes and Direction".
const HELLO = 1, WELCOME = 2, ABORT = 3, GOODBYE = 6, ERROR = 8, PUBLISH = 16, SUBSCRIBE = 32, SUBSCRIBED = 33,
  EVENT = 36, CALL = 48, RESULT = 50, REGISTER = 64, REGISTERED = 65, INVOCATION = 68, YIELD = 70;

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
const LOG_ENTRIES = 100;

const element = (id) => document.getElementById(id);
const buttons = [element("publish"), element("call")];

let socket = null;
let retryMs = FIRST_RETRY_MS;
let refused = false;
// The identity of the session before this one, to tell whether it survived a reconnect.
let lastAuthid = null;
// What belongs to the session that is open now; null between sessions.
let session = null;

function show(state, text) {
  element("status").dataset.state = state;
  element("status").textContent = text;
  for (const button of buttons) button.disabled = state !== "joined";
}

// Whether this browser has been here before. Where cookies are blocked, so is what this remembers by.
function hasBeenHere() {
  if (!navigator.cookieEnabled) return true;
  try {
    const before = localStorage.getItem("wampgate-visited");
    localStorage.setItem("wampgate-visited", "yes");
    return before !== null;
  } catch {
    return true;
  }
}

// Takes texts, and names as `{ name }`; puts them into the log without ever reading them as HTML.
function log(...parts) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  const text = document.createElement("span");
  for (const part of parts) {
    if (typeof part === "string") {
      text.append(part);
    } else {
      const code = document.createElement("code");
      code.textContent = part.name;
      text.append(code);
    }
  }
  item.append(time, text);
  element("log").prepend(item);
  while (element("log").children.length > LOG_ENTRIES) element("log").lastChild.remove();
}

const peer = (authid) => ({ name: authid ?? "a client that is not disclosed" });

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// Sends a request and remembers what to do with its answer: `done(message)` or `failed(error URI)`.
function request(type, rest, done = () => {}, failed = (error) => log(`That failed: ${error}.`)) {
  const id = session.nextRequest++;
  session.pending.set(`${type}/${id}`, { done, failed });
  send([type, id, ...rest]);
}

function answer(type, id, how, value) {
  const key = `${type}/${id}`;
  const waiting = session.pending.get(key);
  session.pending.delete(key);
  waiting?.[how](value);
}

function connect() {
  refused = false;
  show("waiting", lastAuthid === null ? "connecting …" : "reconnecting …");
  const url = new URL("/ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url, "wamp.2.json");
  socket.onopen = () => {
    const roles = { publisher: {}, subscriber: {}, caller: {}, callee: {} };
    send([HELLO, REALM, { roles, authmethods: ["anonymous"] }]);
  };
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = () => {
    session = null;
    if (!refused) show("waiting", "not connected, trying again …");
    // Some randomness, so that all the pages do not come back in the same moment.
    setTimeout(connect, retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  };
}

function receive(message) {
  const [type, first, second] = message;
  switch (type) {
    case WELCOME: return welcome(first, second);
    case ABORT:
      refused = true;
      retryMs = LAST_RETRY_MS;
      return show("refused", `refused: ${first?.message ?? second}`);
    case GOODBYE: return send([GOODBYE, {}, "wamp.close.goodbye_and_out"]);
  }
  if (session === null) return;
  switch (type) {
    case SUBSCRIBED: return answer(SUBSCRIBE, first, "done", message);
    case REGISTERED: return answer(REGISTER, first, "done", message);
    case RESULT: return answer(CALL, first, "done", message);
    case ERROR: return answer(first, second, "failed", message[4]);
    case EVENT: return session.subscriptions.get(first)?.(message[3] ?? {}, message[4] ?? []);
    case INVOCATION: return invoked(first, message[3] ?? {});
  }
}

function welcome(id, details) {
  const publicId = details.x_wampgate_public_id ?? details.authid;
  session = {
    id,
    publicId,
    procedure: `${PROCEDURE}.${id}`,
    nextRequest: 1,
    pending: new Map(),
    subscriptions: new Map(),
    // The procedures of the other tabs, the one that was heard of last at the end.
    others: new Map(),
  };
  retryMs = FIRST_RETRY_MS;

  const known = details.x_wampgate_known;
  element("authid").textContent = details.authid;
  element("public-id").textContent = publicId;
  element("recognised").dataset.known = String(known);
  element("recognised").textContent =
    known === undefined ? "not tracked" : known ? "recognised" : "new here";
  // A visit that left no cookie, in a browser that has been here: it would be "new here" for ever.
  element("no-cookie").hidden = known !== false || !hasBeenHere();
  show("joined", `joined ${REALM}`);
  if (lastAuthid !== null) {
    log(lastAuthid === details.authid
      ? "Reconnected, and still the same authid."
      : "Reconnected, under another authid: the gateway did not know the cookie any more.");
  }
  lastAuthid = details.authid;

  subscribe(GREETINGS, (event, args) => {
    log(peer(event.publisher_authid), ` published: ${args[0]}`);
  });
  subscribe(PRESENCE, (event, [other, procedure, isNew]) => {
    session.others.delete(other);
    session.others.set(other, procedure);
    // A tab that comes new does not know yet which others are here.
    if (isNew) announce(false);
  }, () => {
    request(REGISTER, [{}, session.procedure], () => announce(true));
  });
}

function subscribe(topic, handler, done = () => {}) {
  request(SUBSCRIBE, [{}, topic], (message) => {
    session.subscriptions.set(message[2], handler);
    done();
  });
}

function publish(topic, args) {
  send([PUBLISH, session.nextRequest++, { disclose_me: true }, topic, args]);
}

function announce(isNew) {
  publish(PRESENCE, [session.id, session.procedure, isNew]);
}

function invoked(id, details) {
  log(peer(details.caller_authid), " called this tab.");
  send([YIELD, id, {}, [session.publicId]]);
}

function callOther() {
  const [other, procedure] = [...session.others].at(-1) ?? [];
  if (procedure === undefined) {
    log("No other tab is here: open this page in a second tab first.");
    return;
  }
  request(CALL, [{ disclose_me: true }, procedure], (message) => {
    log("The tab of ", peer(message[3]?.[0]), " answered the call.");
  }, () => {
    // That tab has been closed meanwhile; the one before it may still be there.
    session.others.delete(other);
    callOther();
  });
}

element("publish").addEventListener("click", () => {
  publish(GREETINGS, [`hello at ${new Date().toLocaleTimeString()}`]);
  log("You published a greeting; every other tab shows it.");
});
element("call").addEventListener("click", callOther);

connect();
