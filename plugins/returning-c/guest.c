// What stands between the canonical ABI and a component of any kind: a heap that is forgotten after each call, the log, the
// configuration's reader, and the exports that every component has.

#include "contract.h"

#define PAGE 65536u

// === the heap ===

extern unsigned char __heap_base;
static uintptr_t top;

// Hands out memory one piece after the other. Only the last piece could be grown in place, and the canonical ABI
// never asks for that with texts in UTF-8, hence the copy.
EXPORT("cabi_realloc")
void *cabi_realloc(void *old, uint32_t old_bytes, uint32_t align, uint32_t bytes) {
    if (top == 0) top = (uintptr_t)&__heap_base;
    uintptr_t at = (top + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t end = at + bytes;
    uint32_t there = __builtin_wasm_memory_size(0);
    if (end < at) __builtin_trap();
    uint32_t pages = (uint32_t)(end / PAGE + (end % PAGE != 0));
    if (pages > there && __builtin_wasm_memory_grow(0, pages - there) == (size_t)-1) __builtin_trap();
    top = end;
    if (old_bytes > 0) __builtin_memcpy((void *)at, old, old_bytes < bytes ? old_bytes : bytes);
    return (void *)at;
}

void *allocate(uint32_t bytes) {
    void *at = cabi_realloc(NULL, 0, 8, bytes);
    __builtin_memset(at, 0, bytes);
    return at;
}

void forget(void) { top = 0; }

// === the log ===

__attribute__((import_module("wampgate:authid/log@0.3.0"), import_name("log")))
void contract_log(uint32_t level, const char *at, uint32_t length);

void log_line(level level, text message) { contract_log(level, message.at, message.length); }

// === texts and the configuration ===

bool same(text a, text b) {
    if (a.length != b.length) return false;
    for (uint32_t i = 0; i < a.length; i++)
        if (a.at[i] != b.at[i]) return false;
    return true;
}

bool take(reader *r, char sign) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
    if (r->at == r->end || *r->at != sign) return false;
    r->at++;
    return true;
}

bool take_string(reader *r, text *string) {
    if (!take(r, '"')) return false;
    string->at = r->at;
    for (; r->at < r->end && *r->at != '"'; r->at++)
        if (*r->at == '\\') return false;
    string->length = (uint32_t)(r->at - string->at);
    return take(r, '"');
}

check_result checked(text fault) {
    if (fault.length == 0) return (check_result){ 0 };
    text *error = allocate(sizeof *error);
    *error = fault;
    return (check_result){ .errors = { error, 1 } };
}

// === the exports that every component has ===

// result<_, list<string>>
typedef struct { bool is_error; texts errors; } check_answer;

EXPORT(INTERFACE "#check-config")
const check_answer *contract_check_config(const char *at, uint32_t length) {
    static check_answer answer;
    answer.errors = check_config((text){ at, length }).errors;
    answer.is_error = answer.errors.length > 0;
    return &answer;
}

EXPORT(INTERFACE "#needs")
const requirements *contract_needs(const char *at, uint32_t length) {
    static requirements answer;
    answer = needs((text){ at, length });
    return &answer;
}

EXPORT("cabi_post_" INTERFACE "#check-config")
void contract_checked(const check_answer *answer) { (void)answer; forget(); }

EXPORT("cabi_post_" INTERFACE "#needs")
void contract_needed(const requirements *answer) { (void)answer; forget(); }
