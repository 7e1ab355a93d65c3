/* senderauth/dkim_reason.c - see dkim_reason.h */
#include "senderauth/dkim_reason.h"

const struct dkim_reason_row dkim_reason_rows[DKIM_REASON_N] = {
#define X(name, verdict, id, text) {DKIM_##verdict, id, text},
    DKIM_REASONS(X)
#undef X
};

const char *dkim_verdict_word(enum dkim_verdict v)
{
    switch (v) {
    case DKIM_PASS:
        return "pass";
    case DKIM_FAIL:
        return "fail";
    case DKIM_POLICY:
        return "policy";
    case DKIM_NEUTRAL:
        return "neutral";
    case DKIM_TEMPERROR:
        return "temperror";
    case DKIM_PERMERROR:
        return "permerror";
    case DKIM_NONE:
        break;
    }
    return "none";
}
