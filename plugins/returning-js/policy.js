// Only returning visitors keep their name. The cases are in cases.json.
//
// What is left out of a record arrives as null in one engine and as undefined in another: `== null` and `?.` take both.

export const policy = {
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

function decide(config, { cookie, hello, methods }) {
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
  if (method !== undefined) return defer(method);
  if (!includesAnonymous(methods) || !includesAnonymous(offered)) {
    return deny("wamp.error.no_auth_method", "offer a configured authentication method");
  }
  if (cookie == null || cookie.isNew) return none;
  return anonymous({ authid: cookie.publicId });
}

// The answers that there are. Any other tag would be a trap.
const anonymous = (identity) => ({ tag: "anonymous", val: identity });
const none = { tag: "none" };
const defer = (method) => ({ tag: "defer", val: method });
const deny = (reason, message) => ({ tag: "deny", val: { reason, message } });

// An empty list means "anonymous": on the configuration's side as on the client's.
function includesAnonymous(list) {
  return list.length === 0 || list.includes("anonymous");
}

// The realms of {"closed_realms": ["..."]}. It throws what is wrong with the text, and what to write instead.
function readConfig(text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    throw "use a JSON object";
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) throw "use a JSON object";
  const unknown = Object.keys(config).find((key) => key !== "closed_realms");
  if (unknown !== undefined) throw `unknown key "${unknown}": this policy knows only "closed_realms"`;
  const { closed_realms: realms = [] } = config;
  if (!Array.isArray(realms) || !realms.every((realm) => typeof realm === "string")) {
    throw 'closed_realms: use a list of realms, such as ["staff"]';
  }
  return realms;
}
