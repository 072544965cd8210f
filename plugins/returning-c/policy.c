// Only returning visitors keep their name. The cases are in cases.json.

#include "contract.h"

static bool contains(texts list, text wanted) {
    for (uint32_t i = 0; i < list.length; i++)
        if (same(list.at[i], wanted)) return true;
    return false;
}

// === the configuration: {"closed_realms": ["..."]} ===

// Empty where the configuration is fine. `closed` tells whether `realm` is in the list.
static text read_config(text config, option_text realm, bool *closed) {
    static const char use_a_list[] = "closed_realms: use a list of realms, such as [\"staff\"], without escapes";
    reader r = { config.at, config.at + config.length };
    text key, name;
    *closed = false;
    if (!take(&r, '{')) return TEXT("use a JSON object");
    if (!take(&r, '}')) {
        do {
            if (!take_string(&r, &key) || !same(key, TEXT("closed_realms")))
                return TEXT("unknown key: this policy knows only \"closed_realms\"");
            if (!take(&r, ':') || !take(&r, '[')) return TEXT(use_a_list);
            if (take(&r, ']')) continue;
            do {
                if (!take_string(&r, &name)) return TEXT(use_a_list);
                if (realm.is_some && same(name, realm.value)) *closed = true;
            } while (take(&r, ','));
            if (!take(&r, ']')) return TEXT(use_a_list);
        } while (take(&r, ','));
        if (!take(&r, '}')) return TEXT("use a JSON object");
    }
    return (text){ 0 };
}

check_result check_config(text config) {
    bool closed;
    text fault = read_config(config, (option_text){ 0 }, &closed);
    return checked(fault);
}

// Name each request header that `decide` looks at: the gateway then does not run the policy without it.
requirements needs(text config) {
    (void)config;
    return (requirements){ 0 };
}

// === the decision ===

static decide_result answer(decision decision) { return (decide_result){ .decision = decision }; }

static decide_result deny(text reason, text message) {
    return answer((decision){ .kind = DENY, .deny = { reason, message } });
}

// An empty list means "anonymous": on the configuration's side as on the client's.
static bool includes_anonymous(texts list) { return list.length == 0 || contains(list, TEXT("anonymous")); }

decide_result decide(text config, const join_request *request) {
    const cookie_record *cookie = request->cookie.is_some ? &request->cookie.value : NULL;
    const hello *hello = request->hello.is_some ? &request->hello.value : NULL;
    texts offered = hello ? hello->authmethods : (texts){ 0 };

    bool closed;
    text fault = read_config(config, hello ? hello->realm : (option_text){ 0 }, &closed);
    if (fault.length > 0) return (decide_result){ .is_error = true, .error = fault };
    if (closed) return deny(TEXT("wamp.error.no_such_realm"), TEXT("this realm is closed"));

    for (uint32_t i = 0; i < offered.length; i++) {
        text method = offered.at[i];
        if (same(method, TEXT("anonymous")) || !contains(request->methods, method)) continue;
        // `cookie` can vouch only for a client that has logged in with this cookie before.
        if (same(method, TEXT("cookie")) && !(cookie && cookie->authentication.is_some)) continue;
        return answer((decision){ .kind = DEFER, .defer = method });
    }
    if (!includes_anonymous(request->methods) || !includes_anonymous(offered))
        return deny(TEXT("wamp.error.no_auth_method"), TEXT("offer a configured authentication method"));

    if (!cookie || cookie->is_new) return answer((decision){ .kind = NONE });
    return answer((decision){ .kind = ANONYMOUS, .anonymous = { .authid = { true, cookie->public_id } } });
}
