// Only returning visitors keep their name. The cases are in ../returning-cases.json.
//
// What is left out of a record arrives as null in one engine and as undefined in another: `== null` and `?.` take both. An
// error is thrown as a plain text (from checkConfig: a list of texts), not as an Error: not every engine knows what to do with those.

export const policy = {
  checkConfig(config) {
    readConfig(config, (fault) => { throw [fault]; });
  },

  decide(config, { cookie, hello, methods }) {
    const { closed_realms: closed = [] } = readConfig(config, (fault) => { throw fault; });
    const offered = hello?.authmethods ?? [];

    if (hello?.realm != null && closed.includes(hello.realm)) {
      return deny("wamp.error.no_such_realm", "this realm is closed");
    }
    // `cookie` can vouch only for who has logged in with this cookie before.
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
  },
};

function deny(reason, message) {
  return { tag: "deny", val: { reason, message } };
}

// An empty list means "anonymous": on the configuration's side as on the client's.
function includesAnonymous(list) {
  return list.length === 0 || list.includes("anonymous");
}

// Reads {"closed_realms": ["..."]}.
function readConfig(text, fail) {
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    return fail("use a JSON object");
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) return fail("use a JSON object");
  const unknown = Object.keys(config).find((key) => key !== "closed_realms");
  if (unknown !== undefined) return fail(`unknown key "${unknown}": this policy knows only "closed_realms"`);
  const realms = config.closed_realms;
  if (realms !== undefined && !(Array.isArray(realms) && realms.every((realm) => typeof realm === "string"))) {
    return fail('closed_realms: use a list of realms, such as ["staff"]');
  }
  return config;
}
