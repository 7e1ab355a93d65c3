/* message/address_list_fuzz.c - libFuzzer target: addresses written again from what was found are
 * the same addresses; leniency adds, and takes nothing away; every prefix and every kind of field
 * can be read. */
#include "base/buf.h"
#include "base/log.h"
#include "message/address_list.h"
#include "message/date_time.h"
#include "message/field_rule.h"

struct list {
    struct buf text, again; /* "local@domain, ..." and with display names */
    unsigned n;
};

static void seen(void *arg, const struct address *a)
{
    struct list *l = arg;
    BUG_ON(a->local.len == 0 || (a->literal && a->domain.ptr[0] != '['));
    l->n++;
    (void)buf_add(&l->text, a->local);
    (void)buf_add_str(&l->text, "@");
    (void)buf_add(&l->text, a->domain);
    (void)buf_add_str(&l->text, ",");
    (void)buf_add(&l->again, a->display);
    (void)buf_add_str(&l->again, " <");
    (void)buf_add(&l->again, a->local);
    (void)buf_add_str(&l->again, "@");
    (void)buf_add(&l->again, a->written);
    (void)buf_add_str(&l->again, ">,");
}

static const char *read_list(struct list *l, struct slice in, unsigned flags)
{
    buf_init(&l->text, 1024 * 1024);
    buf_init(&l->again, 1024 * 1024);
    l->n = 0;
    return address_list(in, flags, seen, l);
}

static void clear(struct list *l)
{
    buf_clear(&l->text);
    buf_clear(&l->again);
}

static void check_fields(struct slice in)
{
    int64_t seconds = 0;
    const struct field_rule *rule;
    for (unsigned i = 0; (rule = field_rule_n(i)) != NULL; i++) {
        (void)field_fault(rule->kind, in);
        (void)field_encoded_word(rule->kind, in);
        bool ascii = field_8bit(rule->kind, in) == FIELD_ASCII;
        for (size_t at = 0; at < in.len; at++) {
            BUG_ON(ascii && in.ptr[at] > 127);
        }
    }
    if (date_time_read(in, &seconds) == NULL) {
        /* years 1900 to 9999, a zone and a leap second around them */
        BUG_ON(seconds < INT64_C(-2208988800) - 400000 ||
               seconds > INT64_C(253402300799) + 400000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct list strict, loose, again;
    struct slice in = {data, size};
    if (size > 4096) {
        return 0;
    }
    const char *fault = read_list(&strict, in, ADDRESS_NONE_OK);
    const char *loose_fault = read_list(&loose, in, ADDRESS_NONE_OK | ADDRESS_LOOSE);
    BUG_ON(fault == NULL && (loose_fault != NULL ||
                             !slice_eq(buf_slice(&strict.text), buf_slice(&loose.text))));
    if (fault == NULL) {
        fault = read_list(&again, buf_slice(&strict.again), ADDRESS_NONE_OK);
        BUG_ON(fault != NULL || again.n != strict.n ||
               !slice_eq(buf_slice(&strict.text), buf_slice(&again.text)));
        clear(&again);
    }
    clear(&strict);
    clear(&loose);
    check_fields(in);
    return 0;
}
