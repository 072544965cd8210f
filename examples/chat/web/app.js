// A chat: visitors read, members write. docs/clients.md explains each step.
"use strict";

const ROOM = "chat.room";
const LOGOUT = "wamp.close.logout";
const url = location.origin.replace(/^http/, "ws") + "/ws";
const element = (id) => document.getElementById(id);

let connection = null;
let session = null;
let retry = null;

// A login is a connection of its own: the gateway replaces the cookie in its handshake, so that a planted one opens nothing.
// Without a login the browser's cookie tells who comes back, and a newcomer is anonymous.
function connect(login) {
  clearTimeout(retry);
  // The connection before this one ends, and its `onclose` knows that it is not the last one any more.
  const before = connection;
  const mine = new autobahn.Connection({
    url,
    realm: "chat",
    authmethods: login ? ["ticket"] : ["cookie", "anonymous"],
    authid: login?.name,
    onchallenge: () => login.ticket,
    // This page reconnects by itself, since after a login it comes back by cookie.
    max_retries: 0,
  });
  connection = mine;
  if (before?.isOpen) before.close();
  mine.onopen = (opened, details) => {
    if (mine !== connection) return mine.close();
    session = opened;
    welcome(details, Boolean(login));
  };
  mine.onclose = (reason, details) => {
    if (mine !== connection) return true;
    session = null;
    closed(reason, details.reason, Boolean(login));
    return true;
  };
  mine.open();
}

function welcome(details, isLogin) {
  const isMember = details.authrole === "member";
  show(isMember ? `logged in as ${details.authid}` : `reading as ${details.authid}`);
  element("login").hidden = isMember;
  element("write").hidden = !isMember;
  if (rememberVisit() && details.x_wampgate_known === false) {
    hint("This browser did not keep the cookie of its last visit, so that the gateway takes it for a new one. Allow cookies for this site, and log in again.");
  }
  if (isLogin) otherTabs.postMessage("login");
  session.subscribe(ROOM, ([text], _, { publisher_authid: who }) => message(who, text));
}

function closed(reason, uri, isLogin) {
  if (isLogin && uri === "wamp.error.not_authorized") {
    hint("This name and this ticket do not belong together.");
    connect();
  } else if (uri === LOGOUT) {
    // Here, or in another tab: the gateway ends all connections of the browser.
    connect();
  } else {
    show(reason === "unreachable" ? "the gateway cannot be reached, trying again …" : "connection lost, trying again …");
    // Not all at once, when the gateway comes back.
    retry = setTimeout(connect, 1000 + Math.random() * 2000);
  }
}

// Whether this browser has been here before. Where cookies are blocked, this is blocked as well.
function rememberVisit() {
  try {
    const before = localStorage.getItem("visited");
    localStorage.setItem("visited", "yes");
    return before !== null;
  } catch {
    return true;
  }
}

function show(text) {
  element("status").textContent = text;
}

function hint(text) {
  element("hint").textContent = text;
  element("hint").hidden = text === "";
}

function message(who, text) {
  const item = document.createElement("li");
  item.textContent = `${who}: ${text}`;
  element("messages").append(item);
}

element("login").addEventListener("submit", (event) => {
  event.preventDefault();
  hint("");
  connect({ name: element("name").value, ticket: element("ticket").value });
  element("ticket").value = "";
});

element("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = element("text").value;
  element("text").value = "";
  session?.publish(ROOM, [text], {}, { acknowledge: true, exclude_me: false })
    .catch(({ error }) => hint(`The message was not sent: ${error}.`));
});

element("logout").addEventListener("click", () => connection.close(LOGOUT, ""));

// A login in one tab is one in all of them: the others come back by the cookie that it left.
const otherTabs = new BroadcastChannel("login");
otherTabs.onmessage = () => connect();

connect();
