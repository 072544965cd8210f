// The export of a policy, under its name. The policy itself is in policy.c.

#include "contract.h"

// The arguments are more than 16 values when taken one by one, and so come as one struct.
typedef struct { text config; join_request request; } arguments;

EXPORT(INTERFACE "#decide")
const decide_result *contract_decide(const arguments *arguments) {
    static decide_result answer;
    answer = decide(arguments->config, &arguments->request);
    return &answer;
}

EXPORT("cabi_post_" INTERFACE "#decide")
void contract_answered(const decide_result *answer) { (void)answer; forget(); }
