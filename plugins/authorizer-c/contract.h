// The contract of `wit/policy.wit` for an authorizer in C.

#ifndef WAMPGATE_AUTHID_CONTRACT_H
#define WAMPGATE_AUTHID_CONTRACT_H

#include "guest.h"

// The interface that an authorizer exports.
#define INTERFACE "wampgate:authid/authorization@0.3.0"

typedef enum : uint8_t { CALL, REGISTER, PUBLISH, SUBSCRIBE } action;
typedef enum : uint8_t { EXACT, PREFIX, WILDCARD } matching;

typedef struct {
    text id, realm, authid, authrole, authmethod, authprovider;
    option_text public_id;
    text connection, peer;
} session;

typedef struct {
    session session;
    action action;
    text uri;
    matching matching;
    text options;
    uint64_t now;
} authorization_request;

typedef struct {
    uint32_t seconds;
    enum : uint8_t { OF_SESSION, OF_ROLE } scope;
} keeping;

typedef struct {
    bool allow, disclose;
    struct { bool is_some; keeping value; } keep;
} ruling;

typedef struct {
    bool is_error;
    union { ruling ruling; text error; };
} authorize_result;

// What an authorizer defines beside `check_config` and `needs`.
authorize_result authorize(text config, const authorization_request *request);

// Beside what the canonical ABI says.
_Static_assert(offsetof(authorization_request, now) == 104 && sizeof(authorization_request) == 112, "authorization-request");
_Static_assert(sizeof(ruling) == 16 && sizeof(authorize_result) == 20, "result<ruling, string>");

#endif
