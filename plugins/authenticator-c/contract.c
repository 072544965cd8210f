// The export of an authenticator, under its name. The authenticator itself is in authenticator.c.

#include "contract.h"

// The arguments are more than 16 values when taken one by one, and so come as one struct.
typedef struct { text config; authentication_request request; } arguments;

EXPORT(INTERFACE "#authenticate")
const authenticate_result *contract_authenticate(const arguments *arguments) {
    static authenticate_result answer;
    answer = authenticate(arguments->config, &arguments->request);
    return &answer;
}

EXPORT("cabi_post_" INTERFACE "#authenticate")
void contract_answered(const authenticate_result *answer) { (void)answer; forget(); }
