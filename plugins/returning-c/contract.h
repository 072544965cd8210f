// The contract of `wit/policy.wit` in C.
//
// The canonical ABI lays out records, variants and lists in a 32-bit memory as C lays out these structs, so that they
// are all the binding there is: nothing is generated, copied or freed. What a policy gets and what it answers lives until the
// end of the call.

#ifndef WAMPGATE_AUTHID_CONTRACT_H
#define WAMPGATE_AUTHID_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// UTF-8 without a terminating zero. Where `length` is 0, `at` may be anything.
typedef struct { const char *at; uint32_t length; } text;
typedef struct { const text *at; uint32_t length; } texts;
typedef struct { bool is_some; text value; } option_text;

#define TEXT(literal) ((text){ (literal), sizeof(literal) - 1 })

typedef struct {
    text authid, authrole, authmethod, authrealm, authextra;
    uint64_t at;
} authentication;

typedef struct {
    text id, public_id;
    bool is_new;
    uint64_t created, last_seen;
    uint32_t max_age, connections;
    struct { bool is_some; authentication value; } authentication;
} cookie_record;

typedef struct { text name, value; } header;

typedef struct {
    text id, peer;
    bool tls;
    text host, path;
    option_text origin;
    text subprotocol;
    struct { const header *at; uint32_t length; } headers;
} connection;

typedef struct {
    option_text realm;
    texts authmethods;
    option_text authid, authrole;
    text authextra;
} hello;

typedef struct { text subject; texts names; text sha256; } certificate;

typedef struct {
    connection connection;
    struct { bool is_some; cookie_record value; } cookie;
    struct { bool is_some; hello value; } hello;
    texts methods, roles;
    uint64_t now;
    struct { bool is_some; certificate value; } certificate;
} join_request;

typedef struct { option_text authid, authrole, authextra; } identity;
typedef struct { text reason, message; } denial;
typedef struct { text method, authrole; } deferral;

typedef struct {
    enum : uint8_t { ANONYMOUS, NONE, DEFER, DENY, DEFER_AS } kind;
    union { identity anonymous; text defer; denial deny; deferral defer_as; };
} decision;

typedef struct {
    bool is_error;
    union { decision decision; text error; };
} decide_result;

// `errors` empty: the configuration is fine.
typedef struct { texts errors; } check_result;

// The request headers that the policy looks at, in lower case, and grants beyond those that its imports show.
typedef struct { texts headers, grants; } policy_needs;

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } level;

// A line for the gateway's log.
void log_line(level level, text message);

// Memory until the end of the call; it is zero.
void *allocate(uint32_t bytes);

// What a policy defines.
check_result check_config(text config);
policy_needs needs(text config);
decide_result decide(text config, const join_request *request);

// Beside what the canonical ABI says. One that fails means that the compiler lays out structs in another way.
_Static_assert(sizeof(connection) == 64, "connection");
_Static_assert(offsetof(cookie_record, authentication) == 48 && sizeof(cookie_record) == 104, "cookie-record");
_Static_assert(offsetof(join_request, hello) == 176 && sizeof(join_request) == 288, "join-request");
_Static_assert(sizeof(decide_result) == 44, "result<decision, string>");

#endif
