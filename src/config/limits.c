/* config/limits.c - see limits.h */
#include "config/limits.h"

#include "config/address.h"
#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

enum form { FORM_NET = 0, FORM_DOMAIN, FORM_ADDRESS };

/* What the keys of a limit are, and whether it may have a burst: a key has one bucket, so only one of
 * several limits of it may (check/rates.c). */
#define ROW(field, form, burst)                                                          \
    {                                                                                    \
        offsetof(struct config, field), form, burst                                      \
    }
static const struct {
    size_t setting;
    enum form form;
    bool burst;
} rows[] = {
    ROW(rate_ip, FORM_NET, true),
    ROW(rate_network, FORM_NET, true),
    ROW(rate_connections, FORM_NET, true),
    ROW(rate_network_connections, FORM_NET, true),
    ROW(rate_spf_domain, FORM_DOMAIN, true),
    ROW(rate_dkim_domain, FORM_DOMAIN, true),
    ROW(rate_from_domain, FORM_DOMAIN, true),
    ROW(rate_ptr_domain, FORM_DOMAIN, true),
    ROW(rate_rcpt_domain, FORM_DOMAIN, true),
    ROW(rate_url_domain, FORM_DOMAIN, true),
    ROW(rate_sender, FORM_ADDRESS, true),
    ROW(rate_rcpt_pace, FORM_ADDRESS, true),
    ROW(rate_rcpt, FORM_ADDRESS, false),
    ROW(rate_rcpt_most, FORM_ADDRESS, false),
    ROW(rate_login, FORM_ADDRESS, true),
    ROW(rate_login_quota, FORM_ADDRESS, false),
};
#undef ROW
enum { ROWS = sizeof rows / sizeof rows[0], BITS = 128 };

static const char no_memory[] = "memory is short";

static unsigned row_of(size_t setting)
{
    unsigned row = 0;
    while (row < ROWS && rows[row].setting != setting) {
        row++;
    }
    return row;
}

const char *limits_wrong(size_t setting, const struct rate_bound *bound)
{
    unsigned row = row_of(setting);
    return row < ROWS && !rows[row].burst && bound->least.burst > 0
               ? "of this limit a window is counted, it has no burst"
               : NULL;
}

/* --- the list --- */

static struct slice take_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    struct slice word = slice_sub(*rest, 0, slice_find(*rest, ' '));
    *rest = slice_trim(slice_from(*rest, word.len));
    return word;
}

static const char *read_key(enum form form, struct slice key, struct config_limit *out)
{
    if (key.len == 0) {
        return "nothing stands behind the limit's name";
    }
    if (form == FORM_NET) {
        out->is_net = true;
        return net_parse(key, &out->net) == NET_OK
                   ? NULL
                   : "no network stands behind the limit's name";
    }
    if (form == FORM_DOMAIN) {
        return address_is_domain(key) ? NULL
                                      : "no domain name stands behind the limit's name";
    }
    return address_is_mail(key) || address_is_domain(key)
               ? NULL
               : "neither an address nor a domain name stands behind the limit's name";
}

/* The texts are copied when all is right. */
static const char *read_item(struct slice text, struct config_limit *out,
                             struct slice *key)
{
    struct slice rest = text, name = take_word(&rest);
    const struct setting *s = setting_find(SLICE("rate"), name);
    unsigned row = s == NULL ? ROWS : row_of(s->offset);
    if (row == ROWS) {
        return "it does not begin with a limit of the section rate that has exceptions";
    }
    *key = take_word(&rest);
    out->setting = rows[row].setting;
    const char *wrong = read_key(rows[row].form, *key, out);
    wrong = wrong != NULL ? wrong : rate_bound_parse(rest, &out->bound);
    return wrong != NULL ? wrong : limits_wrong(out->setting, &out->bound);
}

static bool has(const struct config_limits *list, const struct config_limit *e)
{
    for (unsigned i = 0; i < list->n; i++) {
        const struct config_limit *o = &list->item[i];
        if (o->setting == e->setting &&
            (e->is_net
                 ? o->net.bits == e->net.bits && memcmp(&o->net.ip, &e->net.ip, 16) == 0
                 : strcmp(o->name, e->name) == 0)) {
            return true;
        }
    }
    return false;
}

static bool make_room(struct config_limits *list)
{
    unsigned cap = list->cap == 0 ? 16 : list->cap * 2;
    if (list->n < list->cap) {
        return true;
    }
    struct config_limit *more = realloc(list->item, cap * sizeof *more);
    if (more != NULL) {
        list->item = more;
        list->cap = cap;
    }
    return more != NULL;
}

static void free_texts(struct config_limit *e)
{
    free(e->text);
    free(e->name);
}

const char *limits_add(struct config_limits *list, struct slice text)
{
    struct config_limit e = {.text = NULL};
    struct slice key = SLICE("");
    text = slice_trim(text);
    const char *wrong =
        list->n == CONFIG_LIMITS_MAX ? "the list is full" : read_item(text, &e, &key);
    if (wrong != NULL) {
        return wrong;
    }
    e.text = strndup((const char *)text.ptr, text.len);
    e.name = strndup((const char *)key.ptr, key.len);
    if (e.text == NULL || e.name == NULL || !make_room(list)) {
        free_texts(&e);
        return no_memory;
    }
    for (char *c = e.name; *c != '\0'; c++) {
        *c = (char)ascii_lower((unsigned char)*c);
    }
    if (has(list, &e)) {
        free_texts(&e);
        return "that key of that limit stands there already";
    }
    list->item[list->n++] = e;
    return NULL;
}

void limits_clear(struct config_limits *list)
{
    while (list->n > 0) {
        free_texts(&list->item[--list->n]);
    }
    free(list->item);
    *list = (struct config_limits){.item = NULL};
}

/* --- the index --- */

/* The items of a limit stand together, in the order of cmp(). */
struct limits_index {
    struct {
        unsigned first, n;
        bool sizes[BITS + 1]; /* there are networks of so many bits */
    } row[ROWS];
    const struct config_limit *item[];
};

static int cmp_net(const struct net *a, const struct net *b)
{
    return a->bits != b->bits ? (a->bits < b->bits ? -1 : 1)
                              : memcmp(&a->ip, &b->ip, sizeof a->ip);
}

static int cmp(const void *pa, const void *pb)
{
    const struct config_limit *a = *(const struct config_limit *const *)pa,
                              *b = *(const struct config_limit *const *)pb;
    if (a->setting != b->setting) {
        return a->setting < b->setting ? -1 : 1;
    }
    return a->is_net ? cmp_net(&a->net, &b->net)
                     : slice_cmp(slice_of(a->name), slice_of(b->name));
}

struct limits_index *limits_index_new(const struct config_limits *list)
{
    struct limits_index *x = calloc(1, sizeof *x + list->n * sizeof x->item[0]);
    if (x == NULL) {
        return NULL;
    }
    for (unsigned i = 0; i < list->n; i++) {
        x->item[i] = &list->item[i];
    }
    if (list->n > 0) {
        qsort(x->item, list->n, sizeof x->item[0], cmp);
    }
    for (unsigned i = 0; i < list->n; i++) {
        unsigned row = row_of(x->item[i]->setting);
        x->row[row].first = x->row[row].n == 0 ? i : x->row[row].first;
        x->row[row].n++;
        x->row[row].sizes[x->item[i]->net.bits] = x->item[i]->is_net;
    }
    return x;
}

void limits_index_free(struct limits_index **index)
{
    free(*index);
    *index = NULL;
}

static const struct config_limit *look(const struct limits_index *x, unsigned row,
                                       const struct net *net, struct slice name)
{
    unsigned from = x->row[row].first, to = from + x->row[row].n;
    while (from < to) {
        unsigned mid = from + (to - from) / 2;
        const struct config_limit *e = x->item[mid];
        int c = net != NULL ? cmp_net(&e->net, net) : slice_cmp(slice_of(e->name), name);
        if (c == 0) {
            return e;
        }
        if (c < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return NULL;
}

/* Families stay apart: an IPv4 address is one in ::ffff:0:0/96. */
static const struct config_limit *find_net(const struct limits_index *x, unsigned row,
                                           const struct net *net)
{
    int least = ip_is_v4(&net->ip) ? 96 : 0;
    for (int bits = net->bits; bits >= least; bits--) {
        if (x->row[row].sizes[bits]) {
            struct net around = net_around(&net->ip, (uint8_t)bits);
            const struct config_limit *e = look(x, row, &around, SLICE(""));
            if (e != NULL) {
                return e;
            }
        }
    }
    return NULL;
}

/* Itself, what stands behind its @, and what that is below. */
static const struct config_limit *find_name(const struct limits_index *x, unsigned row,
                                            struct slice name)
{
    const struct config_limit *e = look(x, row, NULL, name);
    size_t at = slice_rfind(name, '@');
    if (at < name.len) {
        name = slice_from(name, at + 1);
        e = e != NULL ? e : look(x, row, NULL, name);
    }
    while (e == NULL && slice_find(name, '.') < name.len) {
        name = slice_from(name, slice_find(name, '.') + 1);
        e = look(x, row, NULL, name);
    }
    return e;
}

const struct config_limit *limits_find(const struct limits_index *x, size_t setting,
                                       const struct net *net, struct slice name)
{
    unsigned row = x == NULL ? ROWS : row_of(setting);
    if (row == ROWS || x->row[row].n == 0) {
        return NULL;
    }
    if (rows[row].form == FORM_NET) {
        return net == NULL ? NULL : find_net(x, row, net);
    }
    return slice_find(name, ' ') < name.len ? NULL : find_name(x, row, name);
}
