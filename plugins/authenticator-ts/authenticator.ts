// Clients whose name and ticket stand in the configuration are members. The cases are in cases.json.

// The role of all members: the realm must have it.
const ROLE = "member";
// The shortest ticket: none that is shorter stands against guesses.
const SHORTEST = 16;
const USE_TICKETS = `tickets: use an object of names, each with a ticket of ${SHORTEST} characters or more, such as {"ann": "q7ZrT2m9wXcK4vLb"}`;

export const authentication: contract.Authenticator = {
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

function authenticate(
  tickets: Map<string, string>,
  { method, authid, credential }: contract.AuthenticationRequest,
): contract.Verdict {
  if (method !== "ticket" && method !== "wampcra") {
    throw `it knows principals of \`ticket\` and \`wampcra\`, and not of \`${method}\``;
  }
  const ticket = authid == null ? undefined : tickets.get(authid);
  if (credential.tag === "none" && method === "wampcra") {
    // The challenge must not tell which names have a ticket. Nothing opens a session with the one that stands in for it.
    return ticket === undefined
      ? { tag: "unknown", val: known("unknown") }
      : { tag: "secret", val: known(ticket) };
  }
  if (ticket === undefined) return { tag: "unknown" };
  if (credential.tag === "remembered") return { tag: "accept", val: member() };
  if (credential.tag === "ticket" && isSame(credential.val, ticket)) return { tag: "accept", val: member() };
  return { tag: "unknown" };
}

// A member joins under the name that it claims.
function member(): contract.Principal {
  return { authrole: ROLE };
}

function known(ticket: string): contract.Known {
  return { principal: member(), secret: { tag: "wampcra", val: { key: ticket } } };
}

// Whether two texts are the same, in a time that does not tell how much of them is.
function isSame(one: string, other: string): boolean {
  let differences = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) differences |= one.charCodeAt(at) ^ other.charCodeAt(at % other.length);
  return differences === 0;
}

/** The tickets of {"tickets": {"name": "ticket"}}. It throws what is wrong with the text, and what to write instead. */
function readConfig(text: string): Map<string, string> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw "use a JSON object";
  }
  if (!isObject(config)) throw "use a JSON object";
  const unknownKey = Object.keys(config).find((key) => key !== "tickets");
  if (unknownKey !== undefined) throw `unknown key "${unknownKey}": this authenticator knows only "tickets"`;
  const { tickets = {} } = config;
  if (!isObject(tickets)) throw USE_TICKETS;
  // A map, since an object has members that stand in no configuration.
  const read = new Map<string, string>();
  for (const [name, ticket] of Object.entries(tickets)) {
    if (typeof ticket !== "string" || ticket.length < SHORTEST) throw USE_TICKETS;
    read.set(name, ticket);
  }
  return read;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
