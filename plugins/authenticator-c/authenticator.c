// Clients whose name and ticket stand in the configuration are members. The cases are in cases.json.

#include "contract.h"

// The role of all members: the realm must have it.
#define ROLE TEXT("member")
// The shortest ticket, in bytes: none that is shorter stands against guesses.
#define SHORTEST 16

// Whether two texts are the same, in a time that does not tell how much of them is.
static bool same_secret(text a, text b) {
    if (a.length != b.length) return false;
    volatile unsigned char differences = 0;
    for (uint32_t i = 0; i < a.length; i++) differences |= (unsigned char)(a.at[i] ^ b.at[i]);
    return differences == 0;
}

// === the configuration: {"tickets": {"name": "ticket"}} ===

// Empty where the configuration is fine. `ticket` becomes the one of `authid`, if there is one.
static text read_config(text config, option_text authid, option_text *ticket) {
    static const char use_tickets[] = "tickets: use an object of names, each with a ticket of 16 characters or more, such as "
                                      "{\"ann\": \"q7ZrT2m9wXcK4vLb\"}, without escapes";
    reader r = { config.at, config.at + config.length };
    text key, name, value;
    *ticket = (option_text){ 0 };
    if (!take(&r, '{')) return TEXT("use a JSON object");
    if (!take(&r, '}')) {
        do {
            if (!take_string(&r, &key) || !same(key, TEXT("tickets")))
                return TEXT("unknown key: this authenticator knows only \"tickets\"");
            if (!take(&r, ':') || !take(&r, '{')) return TEXT(use_tickets);
            if (take(&r, '}')) continue;
            do {
                if (!take_string(&r, &name) || !take(&r, ':') || !take_string(&r, &value) || value.length < SHORTEST)
                    return TEXT(use_tickets);
                if (authid.is_some && same(name, authid.value)) *ticket = (option_text){ true, value };
            } while (take(&r, ','));
            if (!take(&r, '}')) return TEXT(use_tickets);
        } while (take(&r, ','));
        if (!take(&r, '}')) return TEXT("use a JSON object");
    }
    return (text){ 0 };
}

check_result check_config(text config) {
    option_text ticket;
    text fault = read_config(config, (option_text){ 0 }, &ticket);
    return checked(fault);
}

// Name each request header that `authenticate` looks at: the gateway then does not run the authenticator without it.
requirements needs(text config) {
    (void)config;
    return (requirements){ 0 };
}

// === the answer ===

static authenticate_result answer(verdict verdict) { return (authenticate_result){ .verdict = verdict }; }

// A member joins under the name that it claims.
static principal member(void) { return (principal){ .authrole = ROLE }; }

static known known_by(text ticket) {
    return (known){ .principal = member(), .secret = { .kind = WAMPCRA, .wampcra = { .key = ticket } } };
}

authenticate_result authenticate(text config, const authentication_request *request) {
    option_text ticket;
    text fault = read_config(config, request->authid, &ticket);
    if (fault.length > 0) return (authenticate_result){ .is_error = true, .error = fault };

    bool is_wampcra = same(request->method, TEXT("wampcra"));
    if (!is_wampcra && !same(request->method, TEXT("ticket")))
        return (authenticate_result){ .is_error = true, .error = TEXT("it knows principals of `ticket` and `wampcra`, and of no other method") };

    const credential *shown = &request->credential;
    if (shown->kind == SHOWN_NONE && is_wampcra) {
        if (ticket.is_some) return answer((verdict){ .kind = SECRET, .secret = known_by(ticket.value) });
        // The challenge must not tell which names have a ticket. Nothing opens a session with this one.
        return answer((verdict){ .kind = UNKNOWN, .unknown = { true, known_by(TEXT("unknown")) } });
    }
    bool is_right = shown->kind == SHOWN_REMEMBERED
        || (shown->kind == SHOWN_TICKET && ticket.is_some && same_secret(shown->ticket, ticket.value));
    if (ticket.is_some && is_right) return answer((verdict){ .kind = ACCEPT, .accept = member() });
    return answer((verdict){ .kind = UNKNOWN });
}
