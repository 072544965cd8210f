// Clients whose name and ticket stand in the configuration are members. The cases are in cases.json.
//
// What is left out of a record arrives as null in one engine and as undefined in another: `== null` and `?.` take both.

// The role of all members: the realm must have it.
const ROLE = "member";
// The shortest ticket: none that is shorter stands against guesses.
const SHORTEST = 16;

export const authentication = {
  checkConfig(config) {
    try {
      readConfig(config);
    } catch (fault) {
      throw [String(fault)]; // anything but a list of texts would be a trap
    }
  },

  // Name each request header that `authenticate` looks at: the gateway then does not run the authenticator without it.
  needs() {
    return { headers: [], grants: [] };
  },

  authenticate(config, request) {
    try {
      return authenticate(readConfig(config), request);
    } catch (fault) {
      throw String(fault); // anything but a text would be a trap
    }
  },
};

function authenticate(tickets, { method, authid, credential }) {
  if (method !== "ticket" && method !== "wampcra") {
    throw `it knows principals of \`ticket\` and \`wampcra\`, and not of \`${method}\``;
  }
  const ticket = authid == null ? undefined : tickets.get(authid);
  if (credential.tag === "none" && method === "wampcra") {
    // The challenge must not tell which names have a ticket. Nothing opens a session with the one that stands in for it.
    return ticket === undefined ? unknown(known("unknown")) : secret(known(ticket));
  }
  if (ticket === undefined) return unknown();
  if (credential.tag === "remembered") return accept(member());
  if (credential.tag === "ticket" && isSame(credential.val, ticket)) return accept(member());
  return unknown();
}

// A member joins under the name that it claims.
const member = () => ({ authrole: ROLE });
const known = (ticket) => ({ principal: member(), secret: { tag: "wampcra", val: { key: ticket } } });

// The answers that there are, beside `deny`. Any other tag would be a trap.
const accept = (principal) => ({ tag: "accept", val: principal });
const secret = (known) => ({ tag: "secret", val: known });
const unknown = (like) => ({ tag: "unknown", val: like });

// Whether two texts are the same, in a time that does not tell how much of them is.
function isSame(one, other) {
  let differences = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) differences |= one.charCodeAt(at) ^ other.charCodeAt(at % other.length);
  return differences === 0;
}

// The tickets of {"tickets": {"name": "ticket"}}. It throws what is wrong with the text, and what to write instead.
function readConfig(text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    throw "use a JSON object";
  }
  if (!isObject(config)) throw "use a JSON object";
  const unknownKey = Object.keys(config).find((key) => key !== "tickets");
  if (unknownKey !== undefined) throw `unknown key "${unknownKey}": this authenticator knows only "tickets"`;
  const { tickets = {} } = config;
  if (!isObject(tickets) || !Object.values(tickets).every((ticket) => typeof ticket === "string" && ticket.length >= SHORTEST)) {
    throw `tickets: use an object of names, each with a ticket of ${SHORTEST} characters or more, such as {"ann": "q7ZrT2m9wXcK4vLb"}`;
  }
  // A map, since an object has members that stand in no configuration.
  return new Map(Object.entries(tickets));
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
