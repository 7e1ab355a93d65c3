/* senderauth/dkim_body.c - see dkim_body.h */
#include "senderauth/dkim_body.h"

#include <stdlib.h>
#include <string.h>

struct wish {
    bool relaxed, done;
    uint64_t length;
    unsigned char digest[CRYPTO_HASH_LEN];
};

/* One canonical body in the making. */
struct form {
    bool wanted, relaxed;
    bool cr;        /* a CR, not yet known to begin a line end */
    bool blank;     /* relaxed: SP or HTAB, not yet known to stand at a line's end */
    bool line;      /* something stands in this line */
    uint64_t empty; /* empty lines, not yet known to stand at the body's end */
    uint64_t total; /* octets so far */
    uint64_t next;  /* the least length wished for that is above total */
    struct crypto_hash hash;
    size_t n; /* gathered, not yet hashed */
    unsigned char at[2048];
};

struct dkim_body {
    struct crypto *crypto;
    struct form form[2]; /* simple, relaxed */
    struct wish wish[DKIM_BODY_WANTS];
    int wish_n;
    bool ended;
};

struct dkim_body *dkim_body_new(struct crypto *crypto)
{
    struct dkim_body *b = calloc(1, sizeof *b);
    if (b != NULL) {
        b->crypto = crypto;
        b->form[1].relaxed = true;
    }
    return b;
}

void dkim_body_free(struct dkim_body **b)
{
    if (*b != NULL) {
        crypto_hash_clear(&(*b)->form[0].hash);
        crypto_hash_clear(&(*b)->form[1].hash);
        free(*b);
        *b = NULL;
    }
}

int dkim_body_want(struct dkim_body *b, bool relaxed, uint64_t length)
{
    for (int i = 0; i < b->wish_n; i++) {
        if (b->wish[i].relaxed == relaxed && b->wish[i].length == length) {
            return i;
        }
    }
    if (b->wish_n == DKIM_BODY_WANTS) {
        return DKIM_BODY_NO_WISH;
    }
    struct form *f = &b->form[relaxed];
    if (!f->wanted) {
        f->wanted = true;
        f->next = DKIM_BODY_ALL;
        crypto_hash_begin(b->crypto, &f->hash);
    }
    if (length < f->next) {
        f->next = length;
    }
    b->wish[b->wish_n] = (struct wish){.relaxed = relaxed, .length = length};
    return b->wish_n++;
}

static void flush(struct form *f)
{
    crypto_hash_add(&f->hash, (struct slice){f->at, f->n});
    f->n = 0;
}

static void gather(struct form *f, struct slice s)
{
    f->total += s.len;
    if (s.len > sizeof f->at - f->n) {
        flush(f);
    }
    if (s.len > sizeof f->at) {
        crypto_hash_add(&f->hash, s);
        return;
    }
    memcpy(f->at + f->n, s.ptr, s.len);
    f->n += s.len;
}

/* total is a length that was wished for. */
static void take_digests(struct dkim_body *b, struct form *f)
{
    uint64_t next = DKIM_BODY_ALL;
    flush(f);
    for (int i = 0; i < b->wish_n; i++) {
        struct wish *w = &b->wish[i];
        if (w->relaxed != f->relaxed || w->done) {
            continue;
        }
        if (w->length == f->total) {
            w->done = crypto_hash_peek(&f->hash, w->digest);
        } else if (w->length > f->total && w->length < next) {
            next = w->length;
        }
    }
    f->next = next;
}

static void emit(struct dkim_body *b, struct form *f, struct slice s)
{
    while (s.len >= f->next - f->total) {
        size_t n = (size_t)(f->next - f->total);
        gather(f, slice_sub(s, 0, n));
        s = slice_from(s, n);
        take_digests(b, f);
    }
    if (s.len > 0) {
        gather(f, s);
    }
}

/* Octets that stay: what was held back before them stays as well. */
static void content(struct dkim_body *b, struct form *f, struct slice s)
{
    for (; f->empty > 0; f->empty--) {
        emit(b, f, SLICE("\r\n"));
    }
    if (f->blank) {
        emit(b, f, SLICE(" "));
        f->blank = false;
    }
    f->line = true;
    emit(b, f, s);
}

static void line_end(struct dkim_body *b, struct form *f)
{
    f->blank = false;
    if (f->line) {
        emit(b, f, SLICE("\r\n"));
        f->line = false;
    } else {
        f->empty++;
    }
}

static bool is_special(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Sixteen octets at once, or most of the time would go into looking for the ends of words. */
enum { WIDE = 16 };
typedef unsigned char wide __attribute__((vector_size(WIDE)));

/* Does a run of content end within the WIDE octets at p? Reads WIDE + 1. */
static bool ends_within(const unsigned char *p)
{
    wide x, y;
    uint64_t any[2];
    memcpy(&x, p, WIDE);
    memcpy(&y, p + 1, WIDE);
    wide stop = (wide)(x == '\r') | (wide)(x == '\t');
    wide next = (wide)(y == ' ') | (wide)(y == '\t') | (wide)(y == '\r');
    stop |= (wide)(x == ' ') & next;
    memcpy(any, &stop, sizeof any);
    return (any[0] | any[1]) != 0;
}

/* How many octets from the front stay as they are: up to a CR or, relaxed, a blank; but a single
 * SP between two words stays, too. */
static size_t run(const struct form *f, struct slice s)
{
    if (!f->relaxed) {
        return slice_find(s, '\r');
    }
    size_t i = 0;
    for (;;) {
        while (s.len - i > WIDE && !ends_within(s.ptr + i)) {
            i += WIDE;
        }
        for (size_t n = 0; n < WIDE; n++, i++) {
            bool single = i + 1 < s.len && s.ptr[i] == ' ' && !is_special(s.ptr[i + 1]);
            if (i == s.len || (is_special(s.ptr[i]) && !single)) {
                return i;
            }
        }
    }
}

static void feed(struct dkim_body *b, struct form *f, struct slice s)
{
    while (s.len > 0) {
        if (f->cr) {
            f->cr = false;
            if (s.ptr[0] == '\n') {
                line_end(b, f);
                s = slice_from(s, 1);
                continue;
            }
            content(b, f, SLICE("\r"));
        }
        size_t n = f->blank && is_special(s.ptr[0]) ? 0 : run(f, s);
        if (n > 0) {
            content(b, f, slice_sub(s, 0, n));
        }
        if (n < s.len) {
            f->cr = s.ptr[n] == '\r';
            f->blank = f->blank || !f->cr;
            n++;
        }
        s = slice_from(s, n);
    }
}

void dkim_body_feed(struct dkim_body *b, struct slice octets)
{
    for (int i = 0; i < 2; i++) {
        if (b->form[i].wanted) {
            feed(b, &b->form[i], octets);
        }
    }
}

static void end(struct dkim_body *b, struct form *f)
{
    if (f->cr) {
        content(b, f, SLICE("\r"));
    }
    /* RFC 6376 3.4.3: "If there is no body or no trailing CRLF on the message body, a CRLF is
     * added"; 3.4.4: "If the body is non-empty but does not end with a CRLF, a CRLF is added." */
    if (f->line || (!f->relaxed && f->total == 0)) {
        emit(b, f, SLICE("\r\n"));
    }
    flush(f);
    for (int i = 0; i < b->wish_n; i++) {
        struct wish *w = &b->wish[i];
        if (w->relaxed == f->relaxed && !w->done &&
            (w->length == DKIM_BODY_ALL || w->length == f->total)) {
            w->done = crypto_hash_peek(&f->hash, w->digest);
        }
    }
}

void dkim_body_end(struct dkim_body *b)
{
    for (int i = 0; i < 2 && !b->ended; i++) {
        if (b->form[i].wanted) {
            end(b, &b->form[i]);
        }
    }
    b->ended = true;
}

bool dkim_body_ended(const struct dkim_body *b)
{
    return b->ended;
}

struct dkim_body_hash dkim_body_hash(const struct dkim_body *b, int wish)
{
    const struct wish *w = &b->wish[wish];
    const struct form *f = &b->form[w->relaxed];
    bool all = w->length == DKIM_BODY_ALL;
    return (struct dkim_body_hash){
        .digest = w->done ? w->digest : NULL,
        .total = f->total,
        .too_short = !w->done && !all && w->length > f->total,
    };
}
