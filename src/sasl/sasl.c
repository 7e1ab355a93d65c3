/* sasl/sasl.c - see sasl.h. PLAIN, LOGIN, and what the mechanisms share. */
#include "sasl/sasl_impl.h"

#include "base/log.h"

#include <string.h>

/* clang-format off */
const struct sasl_mechanism sasl_mechanisms[SASL_MECHANISMS] = {
    /* name                kind              clear  bind   server token */
    {"SCRAM-SHA-256-PLUS", SASL_SCRAM,       false, true,  false, false},
    {"SCRAM-SHA-256",      SASL_SCRAM,       true,  false, false, false},
    {"OAUTHBEARER",        SASL_OAUTHBEARER, false, false, false, true},
    {"XOAUTH2",            SASL_XOAUTH2,     false, false, false, true},
    {"PLAIN",              SASL_PLAIN,       false, false, false, false},
    {"LOGIN",              SASL_LOGIN,       false, false, true,  false},
};
/* clang-format on */

const struct sasl_mechanism *sasl_find(struct slice name)
{
    for (size_t i = 0; i < SASL_MECHANISMS; i++) {
        if (slice_ieq(slice_of(sasl_mechanisms[i].name), name)) {
            return &sasl_mechanisms[i];
        }
    }
    return NULL;
}

/* --- shared --- */

struct slice sasl_take_until(struct slice *in, unsigned char c)
{
    size_t at = slice_find(*in, c);
    struct slice part = slice_sub(*in, 0, at);
    *in = slice_from(*in, at + 1);
    return part;
}

/* RFC 3629: no overlong forms, no surrogates. */
static size_t utf8_len(struct slice s)
{
    unsigned char c = s.ptr[0];
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    size_t n = c < 0x80   ? 1
               : c < 0xc2 ? 0
               : c < 0xe0 ? 2
               : c < 0xf0 ? 3
               : c < 0xf5 ? 4
                          : 0;
    if (n == 0 || n > s.len || (n > 1 && (s.ptr[1] < low || s.ptr[1] > high))) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (s.ptr[i] < 0x80 || s.ptr[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

bool sasl_user_ok(struct slice user)
{
    if (user.len == 0 || user.len > SASL_USER_MAX) {
        return false;
    }
    while (user.len > 0) {
        size_t n = utf8_len(user);
        if (n == 0 || user.ptr[0] < ' ' || user.ptr[0] == 0x7f) {
            return false;
        }
        user = slice_from(user, n);
    }
    return true;
}

bool sasl_unescape(struct slice in, struct buf *out)
{
    while (in.len > 0) {
        if (in.ptr[0] != '=') {
            (void)buf_add_byte(out, in.ptr[0]);
            in = slice_from(in, 1);
        } else if (slice_starts(in, SLICE("=2C")) || slice_starts(in, SLICE("=3D"))) {
            (void)buf_add_byte(out, in.ptr[1] == '2' ? ',' : '=');
            in = slice_from(in, 3);
        } else {
            return false;
        }
    }
    return !out->failed;
}

bool sasl_take_gs2(struct slice *in, struct gs2 *out)
{
    struct slice all = *in;
    struct slice flag = sasl_take_until(in, ',');
    struct slice authzid = sasl_take_until(in, ',');
    size_t used = flag.len + authzid.len + 2;
    if (flag.len == 0 || used > all.len || (authzid.len > 0 && authzid.len < 3) ||
        (authzid.len > 0 && !slice_starts(authzid, SLICE("a=")))) {
        return false;
    }
    *out = (struct gs2){.flag = flag.ptr[0],
                        .authzid = slice_from(authzid, 2),
                        .whole = slice_sub(all, 0, used)};
    if (out->flag == 'p') {
        out->binding = slice_from(flag, 2);
        return slice_starts(flag, SLICE("p=")) && out->binding.len > 0;
    }
    return flag.len == 1 && (out->flag == 'n' || out->flag == 'y');
}

bool sasl_same_identity(struct sasl *s, struct slice authzid)
{
    struct buf plain;
    buf_init(&plain, SASL_USER_MAX);
    bool same = sasl_unescape(authzid, &plain) &&
                (plain.len == 0 || slice_eq(buf_slice(&plain), s->user));
    buf_clear(&plain);
    return same;
}

static enum sasl_res challenge(struct sasl *s, const char *text)
{
    buf_reset(&s->out);
    (void)buf_add_str(&s->out, text);
    return s->out.failed ? SASL_FAIL : SASL_CHALLENGE;
}

/* --- PLAIN --- */

static enum sasl_res want_password(struct sasl *s)
{
    bool ok = sasl_user_ok(s->user) && s->secret.len > 0 &&
              s->secret.len <= SASL_PASSWORD_MAX &&
              slice_find(s->secret, '\0') == s->secret.len;
    return ok ? SASL_WANT_PASSWORD : SASL_MALFORMED;
}

/* message = [authzid] UTF8NUL authcid UTF8NUL passwd */
static enum sasl_res plain(struct sasl *s, struct slice in)
{
    (void)buf_add(&s->in, in);
    struct slice rest = buf_slice(&s->in);
    if (s->in.failed) {
        return SASL_MALFORMED;
    }
    size_t first = slice_find(rest, '\0');
    struct slice authzid = slice_sub(rest, 0, first);
    rest = slice_from(rest, first + 1);
    size_t second = slice_find(rest, '\0');
    s->user = slice_sub(rest, 0, second);
    s->secret = slice_from(rest, second + 1);
    enum sasl_res res = want_password(s);
    if (res == SASL_WANT_PASSWORD && authzid.len > 0 && !slice_eq(authzid, s->user)) {
        return SASL_FAIL; /* RFC 4616 2: nobody may act for others here */
    }
    return res;
}

/* --- LOGIN --- */

enum { LOGIN_START = 0, LOGIN_USER, LOGIN_PASSWORD };

static enum sasl_res login(struct sasl *s, struct slice in)
{
    if (s->state <= LOGIN_USER) {
        (void)buf_add(&s->name, in);
        s->user = buf_slice(&s->name);
        s->state = LOGIN_PASSWORD;
        return sasl_user_ok(s->user) ? challenge(s, "Password:") : SASL_MALFORMED;
    }
    (void)buf_add(&s->in, in);
    s->secret = buf_slice(&s->in);
    return s->in.failed ? SASL_MALFORMED : want_password(s);
}

/* --- all --- */

static void wipe(struct buf *b)
{
    if (b->ptr != NULL) {
        explicit_bzero(b->ptr, b->cap);
    }
    buf_clear(b);
}

void sasl_begin(struct sasl *s, const struct sasl_mechanism *m, struct slice binding,
                struct slice nonce)
{
    BUG_ON(nonce.len != SASL_NONCE_LEN);
    BUG_ON(binding.len != 0 && binding.len != SASL_BINDING_LEN);
    *s = (struct sasl){.mechanism = m, .can_bind = binding.len > 0};
    buf_init(&s->in, SASL_RESPONSE_MAX);
    buf_init(&s->name, SASL_USER_MAX);
    buf_init(&s->out, SASL_OUT_MAX);
    buf_init(&s->first, SASL_OUT_MAX);
    buf_init(&s->header, SASL_RESPONSE_MAX);
    memcpy(s->nonce, nonce.ptr, sizeof s->nonce);
    if (s->can_bind) {
        memcpy(s->binding, binding.ptr, sizeof s->binding);
    }
}

void sasl_clear(struct sasl *s)
{
    wipe(&s->in);
    wipe(&s->name);
    wipe(&s->out);
    wipe(&s->first);
    wipe(&s->header);
    explicit_bzero(s, sizeof *s);
}

enum sasl_res sasl_step(struct sasl *s, const struct slice *in)
{
    if (s->failing) {
        return SASL_FAIL; /* the error was told; whatever the client says to it */
    }
    if (in == NULL) {
        BUG_ON(s->state != 0);
        s->state = s->mechanism->kind == SASL_LOGIN ? LOGIN_USER : 0;
        return challenge(s, s->mechanism->server_first ? "Username:" : "");
    }
    if (in->len > SASL_RESPONSE_MAX) {
        return SASL_MALFORMED;
    }
    switch (s->mechanism->kind) {
    case SASL_PLAIN:
        return plain(s, *in);
    case SASL_LOGIN:
        return login(s, *in);
    case SASL_SCRAM:
        return sasl_scram_step(s, *in);
    case SASL_OAUTHBEARER:
    case SASL_XOAUTH2:
        return sasl_oauth_step(s, *in);
    }
    return SASL_FAIL;
}

enum sasl_res sasl_verdict(struct sasl *s, bool right, struct slice user)
{
    if (!right) {
        return s->mechanism->token ? sasl_oauth_refuse(s) : SASL_FAIL;
    }
    if (s->user.len == 0) {
        buf_reset(&s->name);
        (void)buf_add(&s->name, user);
        s->user = buf_slice(&s->name);
    }
    return sasl_user_ok(s->user) ? SASL_OK : SASL_FAIL;
}
