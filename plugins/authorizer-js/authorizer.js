// All sessions read what is open, and each one speaks there under its own name. The cases are in cases.json.
//
// A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers
// nothing that does not.

// How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
const KEPT = 3600;

export const authorization = {
  checkConfig(config) {
    try {
      readConfig(config);
    } catch (fault) {
      throw [String(fault)]; // anything but a list of texts would be a trap
    }
  },

  // An authorizer is shown no request headers.
  needs() {
    return { headers: [], grants: [] };
  },

  authorize(config, request) {
    try {
      return authorize(readConfig(config), request);
    } catch (fault) {
      throw String(fault); // anything but a text would be a trap
    }
  },
};

function authorize(open, { session, action, uri }) {
  const behind = open.filter((prefix) => uri.startsWith(prefix)).map((prefix) => uri.slice(prefix.length));
  if (action === "call" || action === "subscribe") {
    // The answer is the same for every session of the role.
    return { allow: behind.length > 0, disclose: false, keep: { seconds: KEPT, scope: "role" } };
  }
  const isOwn = behind.some((rest) => beginsWithName(rest, session.authid));
  return { allow: isOwn, disclose: isOwn, keep: { seconds: KEPT, scope: "session" } };
}

// Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands for any.
function beginsWithName(rest, name) {
  return name !== "" && !name.includes(".") && rest.startsWith(`${name}.`);
}

// The prefixes of {"open": ["..."]}. It throws what is wrong with the text, and what to write instead.
function readConfig(text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    throw "use a JSON object";
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) throw "use a JSON object";
  const unknown = Object.keys(config).find((key) => key !== "open");
  if (unknown !== undefined) throw `unknown key "${unknown}": this authorizer knows only "open"`;
  const { open = [] } = config;
  if (!Array.isArray(open) || !open.every(isPrefix)) {
    throw 'open: use a list of prefixes that end in a dot and have no empty part, such as ["com.example.chat."]';
  }
  return open;
}

// Whether a text is components, each with a dot behind it.
function isPrefix(text) {
  return typeof text === "string" && text.endsWith(".") && !text.slice(0, -1).split(".").includes("");
}
