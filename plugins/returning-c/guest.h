// What components of every kind have in C: texts, the log, memory, the configuration, and what the gateway knows of a client.
//
// The canonical ABI lays out records, variants and lists in a 32-bit memory as C lays out these structs, so that they
// are all the binding there is: nothing is generated, copied or freed. What a component gets and what it answers lives until the
// end of the call.

#ifndef WAMPGATE_AUTHID_GUEST_H
#define WAMPGATE_AUTHID_GUEST_H

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

typedef struct { text subject; texts names; text sha256; } certificate;

typedef struct { text reason, message; } denial;

// `errors` empty: the configuration is fine.
typedef struct { texts errors; } check_result;

// The request headers that the component looks at, in lower case, and grants beyond those that its imports show.
typedef struct { texts headers, grants; } requirements;

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } level;

// A line for the gateway's log.
void log_line(level level, text message);

// Memory until the end of the call; it is zero.
void *allocate(uint32_t bytes);

// Whether two texts are the same.
bool same(text a, text b);

// Reads the configuration. The gateway has checked that it is JSON, and hands over an object. Texts with escapes are not read.
typedef struct { const char *at, *end; } reader;

// Whether this sign comes next, after white space, and goes past it.
bool take(reader *r, char sign);
// The same for a text in quotes.
bool take_string(reader *r, text *string);

// The answer of `check_config`. `fault` empty: the configuration is fine.
check_result checked(text fault);

// What every component defines.
check_result check_config(text config);
requirements needs(text config);

// The name of an export, of which the gateway finds the functions by their names.
#define EXPORT(name) __attribute__((export_name(name)))

// Forgets what the call has allocated.
void forget(void);

// Beside what the canonical ABI says. One that fails means that the compiler lays out structs in another way.
_Static_assert(sizeof(connection) == 64, "connection");
_Static_assert(offsetof(cookie_record, authentication) == 48 && sizeof(cookie_record) == 104, "cookie-record");

#endif
