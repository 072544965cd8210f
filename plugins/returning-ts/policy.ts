// Only returning visitors keep their name. The cases are in cases.json.

export const policy: contract.Policy = {
  checkConfig(config) {
    try {
      readConfig(config);
    } catch (fault) {
      throw [String(fault)]; // anything but a list of texts would be a trap
    }
  },

  // Name each request header that `decide` looks at: the gateway then does not run the policy without it.
  needs() {
    return { headers: [], grants: [] };
  },

  decide(config, request) {
    try {
      return decide(config, request);
    } catch (fault) {
      throw String(fault); // anything but a text would be a trap
    }
  },
};

function decide(config: string, { cookie, hello, methods }: contract.JoinRequest): contract.Decision {
  const closed = readConfig(config);
  const offered = hello?.authmethods ?? [];

  if (hello?.realm != null && closed.includes(hello.realm)) {
    return deny("wamp.error.no_such_realm", "this realm is closed");
  }
  // `cookie` can vouch only for a client that has logged in with this cookie before.
  const loggedIn = cookie?.authentication != null;
  const method = offered.find(
    (name) => name !== "anonymous" && methods.includes(name) && (name !== "cookie" || loggedIn),
  );
  if (method !== undefined) return { tag: "defer", val: method };
  if (!includesAnonymous(methods) || !includesAnonymous(offered)) {
    return deny("wamp.error.no_auth_method", "offer a configured authentication method");
  }
  if (cookie == null || cookie.isNew) return { tag: "none" };
  return { tag: "anonymous", val: { authid: cookie.publicId } };
}

function deny(reason: string, message: string): contract.Decision {
  return { tag: "deny", val: { reason, message } };
}

// An empty list means "anonymous": on the configuration's side as on the client's.
function includesAnonymous(list: string[]): boolean {
  return list.length === 0 || list.includes("anonymous");
}

/** The realms of {"closed_realms": ["..."]}. It throws what is wrong with the text, and what to write instead. */
function readConfig(text: string): string[] {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch {
    throw "use a JSON object";
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) throw "use a JSON object";
  const unknown = Object.keys(config).find((key) => key !== "closed_realms");
  if (unknown !== undefined) throw `unknown key "${unknown}": this policy knows only "closed_realms"`;
  const { closed_realms: realms = [] } = config as { closed_realms?: unknown };
  if (!isListOfTexts(realms)) throw 'closed_realms: use a list of realms, such as ["staff"]';
  return realms;
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
