/* config/setting.c - see setting.h */
#include "config/setting.h"

#include "config/address.h"
#include "config/rates.h"
#include "config/units.h"

#include <stdlib.h>
#include <string.h>

#define X(section, name, field, type, def, min, max, words, help)                        \
    {section, name, SETTING_##type, offsetof(struct config, field), def, min, max,       \
     words,   help},
const struct setting settings[SETTING_N] = {CONFIG_SETTINGS(X)};
#undef X

#define X(name, form, help) {name, form, help},
const struct listener_setting listener_settings[LISTENER_SETTINGS] = {
    CONFIG_LISTENER_SETTINGS(X)};
#undef X

/* What a type does with a field. `item`: of a list, the number of the item to print. */
struct type {
    bool list, quoted;
    size_t n_offset; /* of a list's count of items, an unsigned */
    const char *expected;
    const char *(*take)(const struct setting *s, struct slice text, void *field);
    void (*print)(const struct setting *s, const void *field, unsigned item,
                  struct buf *out);
    void (*clear)(void *field);
};
static const struct type types[SETTING_TYPES];

static const char no_memory[] = "memory is short";
static const char too_many[] = "the list is full";

/* The n-th word of "a|b|c"; empty and false behind the last. */
static bool word_at(const char *words, unsigned n, struct slice *out)
{
    struct slice rest = slice_of(words);
    for (;; n--) {
        *out = slice_sub(rest, 0, slice_find(rest, '|'));
        if (n == 0 || out->len == rest.len) {
            return n == 0 && out->len > 0;
        }
        rest = slice_from(rest, out->len + 1);
    }
}

int setting_word(const char *words, struct slice text)
{
    struct slice word;
    for (unsigned i = 0; word_at(words, i, &word); i++) {
        if (slice_eq(word, text)) {
            return (int)i;
        }
    }
    return -1;
}

static const char *take_text(const struct setting *s, struct slice text, void *field)
{
    if (text.len < s->least || text.len > s->most) {
        return text.len < s->least ? "it is too short" : "it is too long";
    }
    char *copy = strndup((const char *)text.ptr, text.len);
    if (copy == NULL) {
        return no_memory;
    }
    free(*(char **)field);
    *(char **)field = copy;
    return NULL;
}

static const char *take_domain(const struct setting *s, struct slice text, void *field)
{
    bool ok = text.len == 0 || address_is_domain(text);
    return ok ? take_text(s, text, field) : "it is no domain name";
}

static const char *take_endpoint(const struct setting *s, struct slice text, void *field)
{
    bool ok = text.len == 0 || address_is_endpoint(text);
    return ok ? take_text(s, text, field) : "it is no address";
}

static const char *in_range(const struct setting *s, uint64_t value)
{
    return value < s->least  ? "it is too small"
           : value > s->most ? "it is too large"
                             : NULL;
}

static const char *take_number(const struct setting *s, uint64_t value, const char *wrong,
                               void *field)
{
    wrong = wrong != NULL ? wrong : in_range(s, value);
    if (wrong == NULL) {
        *(uint64_t *)field = value;
    }
    return wrong;
}

static const char *take_int(const struct setting *s, struct slice text, void *field)
{
    uint64_t value = 0;
    size_t digits = 0;
    while (digits < text.len && ascii_is_digit(text.ptr[digits])) {
        digits++;
    }
    const char *wrong = slice_u64(text, &value)            ? NULL
                        : digits > 0 && digits == text.len ? "it is too large"
                                                           : "it is no whole number";
    return take_number(s, value, wrong, field);
}

static const char *take_size(const struct setting *s, struct slice text, void *field)
{
    uint64_t value = 0;
    const char *wrong = units_size(text, &value);
    return take_number(s, value, wrong, field);
}

static const char *take_time(const struct setting *s, struct slice text, void *field)
{
    uint64_t value = 0;
    const char *wrong = units_time(text, &value);
    return take_number(s, value, wrong, field);
}

static const char *take_limit(const struct setting *s, struct slice text, void *field)
{
    (void)s;
    return rate_bound_parse(text, field);
}

static const char *take_limits(const struct setting *s, struct slice text, void *field)
{
    (void)s;
    return limits_add(field, text);
}

static const char *take_bool(const struct setting *s, struct slice text, void *field)
{
    (void)s;
    bool yes = slice_eq(text, SLICE("yes"));
    if (!yes && !slice_eq(text, SLICE("no"))) {
        return "it is neither of the two words";
    }
    *(bool *)field = yes;
    return NULL;
}

static const char *take_enum(const struct setting *s, struct slice text, void *field)
{
    int word = setting_word(s->words, text);
    if (word < 0) {
        return "it is none of the words";
    }
    *(int *)field = word;
    return NULL;
}

static const char *take_times(const struct setting *s, struct slice text, void *field)
{
    struct config_times *times = field;
    if (times->n == CONFIG_LIST_MAX) {
        return too_many;
    }
    const char *wrong = take_time(s, text, &times->ms[times->n]);
    times->n += wrong == NULL;
    return wrong;
}

static const char *take_network(const struct setting *s, struct slice text, void *field)
{
    struct netset *set = field;
    struct net net;
    set->max = (unsigned)s->most;
    switch (net_parse(text, &net)) {
    case NET_OK:
        break;
    case NET_BAD_ADDRESS:
        return "it is no IPv4 or IPv6 address";
    case NET_BAD_PREFIX:
        return "what follows the slash is no prefix length";
    case NET_HOST_BITS:
        return "it has bits set beyond its prefix";
    }
    if (set->n == set->max) {
        return too_many;
    }
    return netset_add(set, &net) ? NULL : no_memory;
}

static const char *take_item(const struct setting *s, struct slice text, void *field)
{
    struct config_list *list = field;
    if (list->n == s->most || list->n == CONFIG_LIST_MAX) {
        return too_many;
    }
    list->item[list->n] = strndup((const char *)text.ptr, text.len);
    if (list->item[list->n] == NULL) {
        return no_memory;
    }
    list->n++;
    return NULL;
}

static const char *take_resolver(const struct setting *s, struct slice text, void *field)
{
    return address_is_resolver(text) ? take_item(s, text, field) : "it is no address";
}

static const char *take_zone(const struct setting *s, struct slice text, void *field)
{
    size_t space = slice_find(text, ' ');
    struct slice zone = slice_sub(text, 0, space);
    if (!address_is_domain(zone) && !slice_eq(zone, SLICE("."))) {
        return "it does not begin with a zone";
    }
    return address_is_resolver(slice_from(text, space + 1))
               ? take_item(s, text, field)
               : "no address stands behind the zone";
}

static const char *take_list(const struct setting *s, struct slice text, void *field)
{
    size_t space = slice_find(text, ' ');
    struct net net;
    if (!address_is_domain(slice_sub(text, 0, space))) {
        return "it does not begin with a zone";
    }
    return space == text.len || net_parse(slice_from(text, space + 1), &net) == NET_OK
               ? take_item(s, text, field)
               : "no network stands behind the zone";
}

static const char *take_name(const struct setting *s, struct slice text, void *field)
{
    return text.len == 0                      ? "it is too short"
           : slice_find(text, ' ') < text.len ? "there is a blank in it"
                                              : take_item(s, text, field);
}

static const char *take_address(const struct setting *s, struct slice text, void *field)
{
    return address_is_mail(text) ? take_item(s, text, field) : "it is no mail address";
}

static const char *take_domains(const struct setting *s, struct slice text, void *field)
{
    return address_is_domain(text) ? take_item(s, text, field) : "it is no domain name";
}

static struct slice next_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    struct slice word = slice_sub(*rest, 0, slice_find(*rest, ' '));
    *rest = slice_trim(slice_from(*rest, word.len));
    return word;
}

/* "CHECK MODE KIND VALUE" */
static const char *read_exception(struct slice text, struct config_exception *e)
{
    struct slice rest = text;
    struct slice check = next_word(&rest);
    const struct setting *found = setting_find(SLICE("checks"), check);
    if (!slice_eq(check, SLICE("all")) &&
        (found == NULL || strcmp(found->words, CONFIG_MODES) != 0)) {
        return "it does not begin with the name of a check, or all";
    }
    e->check = slice_eq(check, SLICE("all")) ? 0 : found->offset;
    int mode = setting_word(CONFIG_MODES, next_word(&rest));
    int kind = setting_word(CONFIG_EXCEPT, next_word(&rest));
    if (mode < 0 || kind < 0) {
        return mode < 0 ? "no mode stands behind the check"
                        : "neither network nor sender nor recipient nor login stands "
                          "behind the mode";
    }
    e->mode = (enum config_mode)mode;
    e->kind = (enum config_except)kind;
    if (kind == EXCEPT_NETWORK) {
        return net_parse(rest, &e->network) == NET_OK ? NULL : "it ends in no network";
    }
    e->domain = e->text + (rest.ptr - text.ptr);
    size_t at = kind == EXCEPT_LOGIN ? slice_rfind(rest, '@') : rest.len;
    return address_is_domain(at < rest.len ? slice_from(rest, at + 1) : rest) && at > 0
               ? NULL
               : "it ends in no domain name";
}

static const char *take_exception(const struct setting *s, struct slice text, void *field)
{
    struct config_exceptions *list = field;
    if (list->n == s->most || list->n == CONFIG_LIST_MAX) {
        return too_many;
    }
    text = slice_trim(text);
    struct config_exception e = {.text = strndup((const char *)text.ptr, text.len)};
    if (e.text == NULL) {
        return no_memory;
    }
    const char *wrong = read_exception(text, &e);
    if (wrong != NULL) {
        free(e.text);
        return wrong;
    }
    list->item[list->n++] = e;
    return NULL;
}

/* "NAME=VALUE", behind a milter's address. */
static const char *read_milter_word(struct slice word, struct config_milter *m)
{
    size_t at = slice_find(word, '=');
    struct slice name = slice_sub(word, 0, at), value = slice_from(word, at + 1);
    if (slice_eq(name, SLICE("time"))) {
        const char *wrong =
            take_time(&settings[SETTING_ROW_milter_time], value, &m->time);
        return wrong == NULL ? NULL : "its time= is no time, or out of range";
    }
    bool mail = slice_eq(name, SLICE("mail"));
    if (!mail && !slice_eq(name, SLICE("when-down"))) {
        return "a word in it is none of time=, mail=, when-down=";
    }
    int number = setting_word(mail ? CONFIG_MILTER_MAIL : CONFIG_MILTER_DOWN, value);
    *(mail ? &m->mail : &m->when_down) = number;
    return number >= 0 ? NULL
           : mail      ? "its mail= is none of all, incoming, outgoing"
                       : "its when-down= is none of defer, accept, reject, quarantine";
}

static const char *read_milter(struct slice text, struct config_milter *m)
{
    struct slice rest = text, server = next_word(&rest);
    const char *wrong = address_is_endpoint(server) ? NULL : "it is no address";
    while (wrong == NULL && rest.len > 0) {
        wrong = read_milter_word(next_word(&rest), m);
    }
    if (wrong != NULL) {
        return wrong;
    }
    m->text = strndup((const char *)text.ptr, text.len);
    m->server = strndup((const char *)server.ptr, server.len);
    return m->text == NULL || m->server == NULL ? no_memory : NULL;
}

static void free_milter(const struct config_milter *m)
{
    free(m->text);
    free(m->server);
}

static const char *take_milter(const struct setting *s, struct slice text, void *field)
{
    struct config_milters *list = field;
    struct config_milter m = {.mail = -1, .when_down = -1};
    if (list->n == s->most || list->n == CONFIG_MILTERS_MAX) {
        return too_many;
    }
    const char *wrong = read_milter(slice_trim(text), &m);
    if (wrong != NULL) {
        free_milter(&m);
        return wrong;
    }
    list->item[list->n++] = m;
    return NULL;
}

/* "CLASS WAIT WAIT ..." */
static const char *take_waits(const struct setting *s, struct slice text, void *field)
{
    struct slice rest = text;
    struct slice name = next_word(&rest);
    uint64_t ms = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (!(name.ptr[i] >= 'a' && name.ptr[i] <= 'z') && name.ptr[i] != '-') {
            return "it does not begin with the name of a class";
        }
    }
    if (name.len == 0 || rest.len == 0) {
        return "a class and its waits are not there";
    }
    while (rest.len > 0) {
        if (units_time(next_word(&rest), &ms) != NULL || ms < 1000) {
            return "what follows the class are not times of a second or more";
        }
    }
    return take_item(s, text, field);
}

static const char *take_path(const struct setting *s, struct slice text, void *field)
{
    enum { PATH_TEXT_MAX = 4000 };
    return text.len == 0              ? "it is too short"
           : text.len > PATH_TEXT_MAX ? "it is too long"
                                      : take_item(s, text, field);
}

static const char *take_rate(const struct setting *s, struct slice text, void *field)
{
    struct config_rate rate;
    const char *wrong = config_rate_parse(text, &rate);
    return wrong != NULL ? wrong : take_item(s, text, field);
}

static const char *take_words(const struct setting *s, struct slice text, void *field)
{
    enum { WORD_MAX = 64 };
    return text.len == 0         ? "it is too short"
           : text.len > WORD_MAX ? "it is too long"
                                 : take_item(s, text, field);
}

static void print_text(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    (void)s;
    (void)item;
    buf_add_str(out, *(char *const *)field);
}

static void print_int(const struct setting *s, const void *field, unsigned item,
                      struct buf *out)
{
    (void)s;
    (void)item;
    buf_add_fmt(out, "%llu", (unsigned long long)*(const uint64_t *)field);
}

static void print_size(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    char text[UNITS_TEXT_MAX];
    (void)s;
    (void)item;
    buf_add(out, units_size_text(*(const uint64_t *)field, text));
}

static void print_time(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    char text[UNITS_TEXT_MAX];
    (void)s;
    (void)item;
    buf_add(out, units_time_text(*(const uint64_t *)field, text));
}

static void print_limit(const struct setting *s, const void *field, unsigned item,
                        struct buf *out)
{
    char text[RATE_BOUND_TEXT_MAX];
    (void)s;
    (void)item;
    buf_add(out, rate_bound_text(field, text));
}

static void print_bool(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    (void)s;
    (void)item;
    buf_add_str(out, *(const bool *)field ? "yes" : "no");
}

static void print_enum(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    struct slice word;
    (void)item;
    if (word_at(s->words, (unsigned)*(const int *)field, &word)) {
        buf_add(out, word);
    }
}

static void print_times(const struct setting *s, const void *field, unsigned item,
                        struct buf *out)
{
    print_time(s, &((const struct config_times *)field)->ms[item], 0, out);
}

static void print_network(const struct setting *s, const void *field, unsigned item,
                          struct buf *out)
{
    char text[NET_TEXT_MAX];
    (void)s;
    buf_add(out, net_text(&((const struct netset *)field)->net[item], text));
}

static void print_item(const struct setting *s, const void *field, unsigned item,
                       struct buf *out)
{
    (void)s;
    buf_add_str(out, ((const struct config_list *)field)->item[item]);
}

static void print_exception(const struct setting *s, const void *field, unsigned item,
                            struct buf *out)
{
    (void)s;
    buf_add_str(out, ((const struct config_exceptions *)field)->item[item].text);
}

static void print_milter(const struct setting *s, const void *field, unsigned item,
                         struct buf *out)
{
    (void)s;
    buf_add_str(out, ((const struct config_milters *)field)->item[item].text);
}

static void print_limits(const struct setting *s, const void *field, unsigned item,
                         struct buf *out)
{
    (void)s;
    buf_add_str(out, ((const struct config_limits *)field)->item[item].text);
}

static void clear_text(void *field)
{
    free(*(char **)field);
    *(char **)field = NULL;
}

static void clear_nothing(void *field)
{
    (void)field;
}

static void clear_times(void *field)
{
    ((struct config_times *)field)->n = 0;
}

static void clear_networks(void *field)
{
    netset_clear(field);
}

static void clear_list(void *field)
{
    struct config_list *list = field;
    while (list->n > 0) {
        free(list->item[--list->n]);
    }
}

static void clear_exceptions(void *field)
{
    struct config_exceptions *list = field;
    while (list->n > 0) {
        free(list->item[--list->n].text);
    }
}

static void clear_limits(void *field)
{
    limits_clear(field);
}

static void clear_milters(void *field)
{
    struct config_milters *list = field;
    while (list->n > 0) {
        free_milter(&list->item[--list->n]);
    }
}

/* clang-format off */
static const struct type types[SETTING_TYPES] = {
    [SETTING_STR]       = {false, true,  0, "text", take_text, print_text, clear_text},
    [SETTING_DOMAIN]    = {false, true,  0, "a domain name such as \"mx.example.org\"", take_domain, print_text, clear_text},
    [SETTING_PATH]      = {false, true,  0, "a path; a relative one starts at state-dir", take_text, print_text, clear_text},
    [SETTING_DIR]       = {false, true,  0, "a path; a relative one starts beside this file", take_text, print_text, clear_text},
    [SETTING_ENDPOINT]  = {false, true,  0, "\"unix:/path\", \"192.0.2.1:24\" or \"[2001:db8::1]:24\"", take_endpoint, print_text, clear_text},
    [SETTING_INT]       = {false, false, 0, "a whole number", take_int, print_int, clear_nothing},
    [SETTING_SIZE]      = {false, true,  0, "a size", take_size, print_size, clear_nothing},
    [SETTING_TIME]      = {false, true,  0, "a time", take_time, print_time, clear_nothing},
    [SETTING_BOOL]      = {false, false, 0, "yes or no", take_bool, print_bool, clear_nothing},
    [SETTING_ENUM]      = {false, false, 0, "", take_enum, print_enum, clear_nothing},
    [SETTING_TIMES]     = {true,  true,  offsetof(struct config_times, n), "a list of times, each", take_times, print_times, clear_times},
    [SETTING_NETWORKS]  = {true,  true,  offsetof(struct netset, n), "a list of networks such as \"192.0.2.0/24\", \"2001:db8::/32\"", take_network, print_network, clear_networks},
    [SETTING_RESOLVERS] = {true,  true,  offsetof(struct config_list, n), "a list of addresses such as \"192.0.2.53\", \"192.0.2.53@5300\"", take_resolver, print_item, clear_list},
    [SETTING_ZONES]     = {true,  true,  offsetof(struct config_list, n), "a list of zones with an address each, such as \"example.org 192.0.2.53@5300\"", take_zone, print_item, clear_list},
    [SETTING_LISTS]     = {true,  true,  offsetof(struct config_list, n), "a list of zones, such as \"bl.example.org\", \"bl.example.org 127.0.0.2\"", take_list, print_item, clear_list},
    [SETTING_WAITS]     = {true,  true,  offsetof(struct config_list, n), "a list of classes with their waits, such as \"mailbox-full 1h 6h 1d\"", take_waits, print_item, clear_list},
    [SETTING_NAMES]     = {true,  true,  offsetof(struct config_list, n), "a list of names, in which * stands for anything", take_name, print_item, clear_list},
    [SETTING_EXCEPTIONS] = {true, true,  offsetof(struct config_exceptions, n), "a list of exceptions such as \"ptr off network 192.0.2.0/24\"", take_exception, print_exception, clear_exceptions},
    [SETTING_MILTERS]   = {true,  true,  offsetof(struct config_milters, n), "a list of addresses such as \"unix:/run/opendkim/opendkim.sock\", \"127.0.0.1:8891 time=10s when-down=accept mail=incoming\"", take_milter, print_milter, clear_milters},
    [SETTING_RATES]     = {true,  true,  offsetof(struct config_list, n), "a list of rates such as \"domain example.org 20/minute\", \"account * 1000/hour burst 50\", \"site google.com 5000/hour\"", take_rate, print_item, clear_list},
    [SETTING_LIMIT]     = {false, true,  0, "a limit such as \"1000/hour\", \"1000/hour burst 100\", \"600-50000/hour\" or \"off\"", take_limit, print_limit, clear_nothing},
    [SETTING_LIMITS]    = {true,  true,  offsetof(struct config_limits, n), "a list of limits for some keys, such as \"ip 192.0.2.0/24 10000/hour burst 500\", \"dkim-domain example.org 5000-90000/hour\", \"login ann@example.org 50000/day\"", take_limits, print_limits, clear_limits},
    [SETTING_ADDRESSES] = {true,  true,  offsetof(struct config_list, n), "a list of mail addresses such as \"fbl@example.org\"", take_address, print_item, clear_list},
    [SETTING_DOMAINS]   = {true,  true,  offsetof(struct config_list, n), "a list of domain names such as \"example.org\"", take_domains, print_item, clear_list},
    [SETTING_PATHS]     = {true,  true,  offsetof(struct config_list, n), "a list of paths; relative ones start at state-dir", take_path, print_item, clear_list},
    [SETTING_WORDS]     = {true,  true,  offsetof(struct config_list, n), "a list of words", take_words, print_item, clear_list},
};
/* clang-format on */

static void *field_of(const struct setting *s, struct config *cfg)
{
    return (char *)cfg + s->offset;
}

const struct setting *setting_find(struct slice section, struct slice name)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].section), section) &&
            slice_eq(slice_of(settings[i].name), name)) {
            return &settings[i];
        }
    }
    return NULL;
}

bool setting_is_section(struct slice name)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (name.len > 0 && slice_eq(slice_of(settings[i].section), name)) {
            return true;
        }
    }
    return false;
}

bool setting_is_list(const struct setting *s)
{
    return types[s->type].list;
}

const char *setting_take(const struct setting *s, struct slice text, struct config *cfg)
{
    return types[s->type].take(s, text, field_of(s, cfg));
}

bool setting_default(const struct setting *s, struct config *cfg)
{
    struct slice rest = slice_of(s->def);
    if (!setting_is_list(s)) {
        return setting_take(s, rest, cfg) == NULL;
    }
    while (rest.len > 0) {
        struct slice item = slice_sub(rest, 0, slice_find(rest, ','));
        if (setting_take(s, slice_trim(item), cfg) != NULL) {
            return false;
        }
        rest = slice_from(rest, item.len + 1);
    }
    return true;
}

void setting_clear(const struct setting *s, struct config *cfg)
{
    types[s->type].clear(field_of(s, cfg));
}

void setting_path(const struct setting *s, struct buf *out)
{
    buf_add_fmt(out, "%s%s%s", s->section, s->section[0] == '\0' ? "" : ".", s->name);
}

void setting_add_words(const char *words, struct buf *out)
{
    struct slice word, next;
    for (unsigned i = 0; word_at(words, i, &word); i++) {
        bool last = !word_at(words, i + 1, &next);
        buf_add_str(out, i == 0 ? "" : last ? " or " : ", ");
        buf_add(out, word);
    }
}

void setting_expected(const struct setting *s, struct buf *out)
{
    typedef void printer(const struct setting *, const void *, unsigned, struct buf *);
    printer *print = s->type == SETTING_SIZE  ? print_size
                     : s->type == SETTING_INT ? print_int
                                              : print_time;
    buf_add_str(out, types[s->type].expected);
    switch (s->type) {
    case SETTING_ENUM:
        setting_add_words(s->words, out);
        break;
    case SETTING_STR:
        buf_add_fmt(out, " of %llu to %llu characters", (unsigned long long)s->least,
                    (unsigned long long)s->most);
        break;
    case SETTING_INT:
    case SETTING_SIZE:
    case SETTING_TIME:
    case SETTING_TIMES:
        buf_add_str(out, " from ");
        print(s, &s->least, 0, out);
        buf_add_str(out, " to ");
        print(s, &s->most, 0, out);
        if (s->type != SETTING_INT) {
            buf_add_str(out, ", such as \"");
            buf_add(out,
                    slice_sub(slice_of(s->def), 0, slice_find(slice_of(s->def), ',')));
            buf_add_str(out, "\"");
        }
        break;
    case SETTING_DOMAIN:
    case SETTING_PATH:
    case SETTING_DIR:
    case SETTING_ENDPOINT:
    case SETTING_BOOL:
    case SETTING_NETWORKS:
    case SETTING_RESOLVERS:
    case SETTING_ZONES:
    case SETTING_LISTS:
    case SETTING_NAMES:
    case SETTING_WAITS:
    case SETTING_EXCEPTIONS:
    case SETTING_MILTERS:
    case SETTING_RATES:
    case SETTING_LIMIT:
    case SETTING_LIMITS:
    case SETTING_ADDRESSES:
    case SETTING_DOMAINS:
    case SETTING_PATHS:
    case SETTING_WORDS:
    case SETTING_TYPES:
        break;
    }
}

void setting_quote(struct slice text, struct buf *out)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, text.ptr[i]);
    }
    buf_add_byte(out, '"');
}

static unsigned item_count(const struct type *type, const void *field)
{
    return type->list ? *(const unsigned *)((const char *)field + type->n_offset) : 1;
}

void setting_print(const struct setting *s, const struct config *cfg, struct buf *out)
{
    const struct type *type = &types[s->type];
    const void *field = (const char *)cfg + s->offset;
    struct buf item;
    buf_init(&item, out->max);
    buf_add_str(out, type->list ? "{" : "");
    for (unsigned i = 0; i < item_count(type, field); i++) {
        buf_add_str(out, i == 0 ? "" : ", ");
        buf_reset(&item);
        type->print(s, field, i, &item);
        if (type->quoted) {
            setting_quote(buf_slice(&item), out);
        } else {
            buf_add(out, buf_slice(&item));
        }
    }
    buf_add_str(out, type->list ? "}" : "");
    buf_clear(&item);
}
