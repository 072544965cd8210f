// The export of an authorizer, under its name. The authorizer itself is in authorizer.c.

#include "contract.h"

// The arguments are more than 16 values when taken one by one, and so come as one struct.
typedef struct { text config; authorization_request request; } arguments;

EXPORT(INTERFACE "#authorize")
const authorize_result *contract_authorize(const arguments *arguments) {
    static authorize_result answer;
    answer = authorize(arguments->config, &arguments->request);
    return &answer;
}

EXPORT("cabi_post_" INTERFACE "#authorize")
void contract_answered(const authorize_result *answer) { (void)answer; forget(); }
