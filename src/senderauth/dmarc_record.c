/* senderauth/dmarc_record.c - a DMARC record taken apart; see dmarc.h */
#include "senderauth/dmarc.h"

static const char *const policies[] = {[DMARC_P_NONE] = "none",
                                       [DMARC_P_QUARANTINE] = "quarantine",
                                       [DMARC_P_REJECT] = "reject"};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
    return policies[policy];
}

/* dmarc-request = "none" / "quarantine" / "reject" */
static bool take_policy(struct slice value, enum dmarc_policy *out)
{
    for (unsigned i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (slice_ieq(value, slice_of(policies[i]))) {
            *out = (enum dmarc_policy)i;
            return true;
        }
    }
    return false;
}

/* dmarc-tag = 1*ALPHA equals 1*dmarc-value; equals = *WSP "=" *WSP */
static bool take_tag(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0) {
        size_t end = slice_find(*rest, ';');
        struct slice tag = slice_sub(*rest, 0, end);
        *rest = slice_from(*rest, end + 1);
        size_t equals = slice_find(tag, '=');
        if (equals < tag.len) {
            *name = slice_trim(slice_sub(tag, 0, equals));
            *value = slice_trim(slice_from(tag, equals + 1));
            return true;
        }
    }
    return false;
}

/* One URI of the list that could be written to: a scheme, a colon, something; of mailto, an "@".
 * dmarc-urilist = dmarc-uri *(*WSP "," *WSP dmarc-uri) */
static bool has_uri(struct slice list)
{
    while (list.len > 0) {
        size_t end = slice_find(list, ',');
        struct slice uri = slice_trim(slice_sub(list, 0, end));
        size_t colon = slice_find(uri, ':'), at = slice_find(uri, '@');
        list = slice_from(list, end + 1);
        bool ok = colon > 0 && colon + 1 < uri.len && ascii_is_alpha(uri.ptr[0]);
        for (size_t i = 0; i < uri.len; i++) {
            ok = ok && uri.ptr[i] > ' ' && uri.ptr[i] < 0x7f;
        }
        if (ok && (!slice_istarts(uri, SLICE("mailto:")) ||
                   (at > colon + 1 && at + 1 < uri.len))) {
            return true;
        }
    }
    return false;
}

struct tag {
    struct slice name;
    void (*take)(struct slice value, struct dmarc_record *out);
};

static void take_p(struct slice value, struct dmarc_record *out)
{
    out->has_p = take_policy(value, &out->p);
    out->fault = out->has_p ? out->fault : "its p is no policy";
}

static void take_sp(struct slice value, struct dmarc_record *out)
{
    out->has_sp = take_policy(value, &out->sp);
    out->fault = out->has_sp ? out->fault : "its sp is no policy";
}

static void take_np(struct slice value, struct dmarc_record *out)
{
    out->has_np = take_policy(value, &out->np);
    out->fault = out->has_np ? out->fault : "its np is no policy";
}

/* RFC 9989 4.8: "Syntax errors in the remainder of the record MUST be discarded in favor of
 * default values (if any) or ignored outright." */
static void take_psd(struct slice value, struct dmarc_record *out)
{
    out->psd = slice_ieq(value, SLICE("y"))   ? DMARC_PSD_YES
               : slice_ieq(value, SLICE("n")) ? DMARC_PSD_NO
                                              : DMARC_PSD_UNSAID;
}

static void take_t(struct slice value, struct dmarc_record *out)
{
    out->testing = slice_ieq(value, SLICE("y"));
}

static void take_adkim(struct slice value, struct dmarc_record *out)
{
    out->strict_dkim = slice_ieq(value, SLICE("s"));
}

static void take_aspf(struct slice value, struct dmarc_record *out)
{
    out->strict_spf = slice_ieq(value, SLICE("s"));
}

static void take_rua(struct slice value, struct dmarc_record *out)
{
    out->rua = value;
}

static const struct tag tags[] = {
    {SLICE_INIT("p"), take_p},       {SLICE_INIT("sp"), take_sp},
    {SLICE_INIT("np"), take_np},     {SLICE_INIT("psd"), take_psd},
    {SLICE_INIT("t"), take_t},       {SLICE_INIT("adkim"), take_adkim},
    {SLICE_INIT("aspf"), take_aspf}, {SLICE_INIT("rua"), take_rua},
};

/* RFC 9989 4.10.1: without a valid p, or with an sp or np that is not valid, a record means p=none
 * where somebody gets reports, else nothing. */
static void settle(struct dmarc_record *out)
{
    if (out->fault == NULL && !out->has_p) {
        out->fault = "it has no p";
    }
    out->usable = out->fault == NULL || has_uri(out->rua);
    if (out->fault != NULL) {
        out->p = out->sp = out->np = DMARC_P_NONE;
        return;
    }
    out->sp = out->has_sp ? out->sp : out->p;
    out->np = out->has_np ? out->np : out->sp;
}

bool dmarc_record_read(struct slice text, struct dmarc_record *out)
{
    /* dmarc-record  = dmarc-version *(dmarc-sep dmarc-tag) [dmarc-sep]
     * dmarc-version = "v" equals %s"DMARC1" ; case sensitive */
    struct slice rest = text, name, value;
    bool led = text.len > 0 && ascii_lower(text.ptr[0]) == 'v';
    if (!led || slice_find(text, ';') < slice_find(text, '=') ||
        !take_tag(&rest, &name, &value) || name.len != 1 ||
        !slice_eq(value, SLICE("DMARC1"))) {
        return false;
    }
    *out = (struct dmarc_record){.text = text};
    uint32_t seen = 0; /* of a tag given twice the first counts */
    while (take_tag(&rest, &name, &value)) {
        for (unsigned i = 0; i < sizeof tags / sizeof tags[0]; i++) {
            if ((seen & 1U << i) == 0 && slice_ieq(name, tags[i].name)) {
                seen |= 1U << i;
                tags[i].take(value, out);
            }
        }
    }
    settle(out);
    return true;
}
