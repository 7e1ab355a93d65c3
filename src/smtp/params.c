/* smtp/params.c - see params.h */
#include "smtp/params.h"

typedef const char *(*param_fn)(struct slice value, struct smtp_params *out);

static const char *read_size(struct slice value, struct smtp_params *out)
{
    /* RFC 1870 5: size-value ::= 1*20DIGIT; 20 of them may pass 64 bits */
    for (size_t i = 0; i < value.len; i++) {
        if (!ascii_is_digit(value.ptr[i])) {
            return "a size that is not a number";
        }
    }
    if (value.len > 20) {
        return "a size of more than 20 digits";
    }
    if (!slice_u64(value, &out->size)) {
        out->size = UINT64_MAX;
    }
    return NULL;
}

static const char *read_body(struct slice value, struct smtp_params *out)
{
    if (slice_ieq(value, SLICE("8BITMIME"))) {
        out->body = SMTP_BODY_8BITMIME;
        return NULL;
    }
    return slice_ieq(value, SLICE("7BIT")) ? NULL
                                           : "a body that is neither 7BIT nor 8BITMIME";
}

static const char *read_smtputf8(struct slice value, struct smtp_params *out)
{
    (void)value;
    out->smtputf8 = true;
    return NULL;
}

static const struct {
    struct slice name;
    unsigned of; /* enum smtp_params_of, or'ed */
    bool value;  /* has one */
    param_fn read;
} rows[] = {
    {SLICE_INIT("SIZE"), SMTP_PARAMS_MAIL, true, read_size},
    {SLICE_INIT("BODY"), SMTP_PARAMS_MAIL, true, read_body},
    {SLICE_INIT("SMTPUTF8"), SMTP_PARAMS_MAIL, false, read_smtputf8},
};
enum { ROW_N = sizeof rows / sizeof rows[0] };

/* esmtp-value = 1*(%d33-60 / %d62-126) */
static bool value_ok(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] <= ' ' || value.ptr[i] >= 0x7f || value.ptr[i] == '=') {
            return false;
        }
    }
    return value.len > 0;
}

static const char *read_param(struct slice param, enum smtp_params_of of,
                              struct smtp_params *out)
{
    size_t eq = slice_find(param, '=');
    struct slice name = slice_sub(param, 0, eq);
    struct slice value = slice_from(param, eq + 1);
    for (unsigned i = 0; i < ROW_N; i++) {
        if (!slice_ieq(name, rows[i].name)) {
            continue;
        }
        if ((rows[i].of & of) == 0) {
            return "a parameter that does not belong to this command";
        }
        if ((out->seen & 1U << i) != 0) {
            return "a parameter given twice";
        }
        out->seen |= 1U << i;
        if (rows[i].value != (eq < param.len)) {
            return rows[i].value ? "a parameter without its value"
                                 : "a value where none belongs";
        }
        if (rows[i].value && !value_ok(value)) {
            return value.len == 0 ? "a parameter without its value"
                                  : "a parameter with a character that none may have";
        }
        return rows[i].read(value, out);
    }
    return "an unknown parameter";
}

bool smtp_params_read(struct slice in, enum smtp_params_of of, struct smtp_params *out,
                      struct smtp_params_fault *fault)
{
    *out = (struct smtp_params){0};
    if (in.len > 0 && in.ptr[0] != ' ') {
        *fault = (struct smtp_params_fault){"no space after the address",
                                            slice_sub(in, 0, slice_find(in, ' '))};
        return false;
    }
    while (in.len > 0) {
        if (in.ptr[0] == ' ') {
            in = slice_from(in, 1); /* more than one SP is tolerated */
            continue;
        }
        struct slice param = slice_sub(in, 0, slice_find(in, ' '));
        const char *what = read_param(param, of, out);
        if (what != NULL) {
            *fault = (struct smtp_params_fault){what, param};
            return false;
        }
        in = slice_from(in, param.len);
    }
    return true;
}
