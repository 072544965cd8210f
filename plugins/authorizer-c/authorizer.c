// All sessions read what is open, and each one speaks there under its own name. The cases are in cases.json.
//
// A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers
// nothing that does not.

#include "contract.h"

// How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
#define KEPT 3600

static bool begins_with(text whole, text start) {
    return whole.length >= start.length && same((text){ whole.at, start.length }, start);
}

static bool contains(text whole, char sign) {
    for (uint32_t i = 0; i < whole.length; i++)
        if (whole.at[i] == sign) return true;
    return false;
}

// Whether a text is components, each with a dot behind it.
static bool is_prefix(text prefix) {
    bool at_start = true;
    for (uint32_t i = 0; i < prefix.length; i++) {
        if (prefix.at[i] == '.' && at_start) return false;
        at_start = prefix.at[i] == '.';
    }
    return at_start && prefix.length > 0;
}

// Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands for any.
static bool begins_with_name(text rest, text name) {
    return name.length > 0 && !contains(name, '.') && begins_with(rest, name) && rest.length > name.length
        && rest.at[name.length] == '.';
}

// === the configuration: {"open": ["..."]} ===

// What the configuration says of a URI.
typedef struct { bool is_open, is_own; } place;

// Empty where the configuration is fine. `place` becomes that of `uri`, for a session of the name `authid`.
static text read_config(text config, text uri, text authid, place *place) {
    static const char use_prefixes[] = "open: use a list of prefixes that end in a dot and have no empty part, such as "
                                       "[\"com.example.chat.\"], without escapes";
    reader r = { config.at, config.at + config.length };
    text key, prefix;
    place->is_open = place->is_own = false;
    if (!take(&r, '{')) return TEXT("use a JSON object");
    if (!take(&r, '}')) {
        do {
            if (!take_string(&r, &key) || !same(key, TEXT("open")))
                return TEXT("unknown key: this authorizer knows only \"open\"");
            if (!take(&r, ':') || !take(&r, '[')) return TEXT(use_prefixes);
            if (take(&r, ']')) continue;
            do {
                if (!take_string(&r, &prefix) || !is_prefix(prefix)) return TEXT(use_prefixes);
                if (!begins_with(uri, prefix)) continue;
                place->is_open = true;
                text rest = { uri.at + prefix.length, uri.length - prefix.length };
                if (begins_with_name(rest, authid)) place->is_own = true;
            } while (take(&r, ','));
            if (!take(&r, ']')) return TEXT(use_prefixes);
        } while (take(&r, ','));
        if (!take(&r, '}')) return TEXT("use a JSON object");
    }
    return (text){ 0 };
}

check_result check_config(text config) {
    place place;
    text fault = read_config(config, (text){ 0 }, (text){ 0 }, &place);
    return checked(fault);
}

// An authorizer is shown no request headers.
requirements needs(text config) {
    (void)config;
    return (requirements){ 0 };
}

// === the answer ===

authorize_result authorize(text config, const authorization_request *request) {
    place place;
    text fault = read_config(config, request->uri, request->session.authid, &place);
    if (fault.length > 0) return (authorize_result){ .is_error = true, .error = fault };

    // The answer to who reads is the same for every session of the role.
    bool reads = request->action == CALL || request->action == SUBSCRIBE;
    ruling ruling = {
        .allow = reads ? place.is_open : place.is_own,
        .disclose = !reads && place.is_own,
        .keep = { true, { .seconds = KEPT, .scope = reads ? OF_ROLE : OF_SESSION } },
    };
    return (authorize_result){ .ruling = ruling };
}
