// The contract of `wit/policy.wit` for a policy in C.

#ifndef WAMPGATE_AUTHID_CONTRACT_H
#define WAMPGATE_AUTHID_CONTRACT_H

#include "guest.h"

// The interface that a policy exports.
#define INTERFACE "wampgate:authid/policy@0.3.0"

typedef struct {
    option_text realm;
    texts authmethods;
    option_text authid, authrole;
    text authextra;
} hello;

typedef struct {
    connection connection;
    struct { bool is_some; cookie_record value; } cookie;
    struct { bool is_some; hello value; } hello;
    texts methods, roles;
    uint64_t now;
    struct { bool is_some; certificate value; } certificate;
} join_request;

typedef struct { option_text authid, authrole, authextra; } identity;
typedef struct { text method, authrole; } deferral;

typedef struct {
    enum : uint8_t { ANONYMOUS, NONE, DEFER, DENY, DEFER_AS } kind;
    union { identity anonymous; text defer; denial deny; deferral defer_as; };
} decision;

typedef struct {
    bool is_error;
    union { decision decision; text error; };
} decide_result;

// What a policy defines beside `check_config` and `needs`.
decide_result decide(text config, const join_request *request);

// Beside what the canonical ABI says.
_Static_assert(offsetof(join_request, hello) == 176 && sizeof(join_request) == 288, "join-request");
_Static_assert(sizeof(decide_result) == 44, "result<decision, string>");

#endif
