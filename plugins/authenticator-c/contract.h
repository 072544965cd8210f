// The contract of `wit/policy.wit` for an authenticator in C.

#ifndef WAMPGATE_AUTHID_CONTRACT_H
#define WAMPGATE_AUTHID_CONTRACT_H

#include "guest.h"

// The interface that an authenticator exports.
#define INTERFACE "wampgate:authid/authentication@0.3.0"

// What a client has shown of itself.
typedef struct {
    enum : uint8_t { SHOWN_NONE, SHOWN_TICKET, SHOWN_PUBLIC_KEY, SHOWN_REMEMBERED } kind;
    union { text ticket, public_key; };
} credential;

typedef struct {
    text method, realm;
    option_text authid;
    credential credential;
    text authextra;
    connection connection;
    struct { bool is_some; cookie_record value; } cookie;
    struct { bool is_some; certificate value; } certificate;
    texts roles;
    uint64_t now;
} authentication_request;

typedef struct {
    option_text authid;
    text authrole;
    option_text realm, authextra;
} principal;

typedef struct { text salt; uint32_t iterations, keylen; } salting;
typedef struct {
    text key;
    struct { bool is_some; salting value; } salting;
} shared_key;

typedef struct { uint32_t iterations, memory; } argon2id;
typedef struct {
    enum : uint8_t { PBKDF2, ARGON2ID13 } kind;
    union { uint32_t pbkdf2; argon2id argon2id13; };
} derivation;
typedef struct { derivation kdf; text salt, stored_key, server_key; } scram_credential;

typedef struct {
    enum : uint8_t { WAMPCRA, SCRAM, CRYPTOSIGN } kind;
    union { shared_key wampcra; scram_credential scram; texts cryptosign; };
} secret;

typedef struct { principal principal; secret secret; } known;

typedef struct {
    enum : uint8_t { ACCEPT, SECRET, UNKNOWN, DENY } kind;
    union {
        principal accept;
        known secret;
        struct { bool is_some; known value; } unknown;
        denial deny;
    };
} verdict;

typedef struct {
    bool is_error;
    union { verdict verdict; text error; };
} authenticate_result;

// What an authenticator defines beside `check_config` and `needs`.
authenticate_result authenticate(text config, const authentication_request *request);

// Beside what the canonical ABI says.
_Static_assert(offsetof(authentication_request, now) == 264 && sizeof(authentication_request) == 272, "authentication-request");
_Static_assert(sizeof(known) == 84 && sizeof(authenticate_result) == 96, "result<verdict, string>");

#endif
