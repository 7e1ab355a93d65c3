/* cmd/reputation_import.c - postern reputation import FILE|-: a level for each address, network and domain of
 * a list, as `reputation set` gives it.
 *
 * File    a key a line, and behind it a level where it differs from --level (very-low): 192.0.2.1,
 *         192.0.2.0/24, example.org, or kind:name as `reputation show` has it. A domain is meant as what signs,
 *         passes SPF or stands in From. Behind # or ; stand remarks. */
#include "base/netset.h"
#include "cmd/cmd.h"
#include "config/address.h"
#include "rate/reputation.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS_MAX = 500,      /* of a request */
    SPLIT_BITS_MAX = 12, /* a network is at most 4,096 of those that are counted */
    LINE_OCTETS_MAX = 400,
    LEVELS = REPUTATION_COUNT,
    NOBODY_LISTENS = -1
};

struct import {
    const struct config *cfg;
    json_t *keys[LEVELS]; /* not sent yet */
    unsigned long line, set;
    int status;
};

static void on_line(void *arg, const char *text)
{
    struct import *i = arg;
    json_int_t n = 0;
    json_t *line = json_loads(text, 0, NULL);
    if (json_unpack(line, "{s:I}", "set", &n) == 0) {
        i->set += (unsigned long)n;
    }
    json_decref(line);
}

static bool send_keys(struct import *i, enum reputation level)
{
    if (json_array_size(i->keys[level]) == 0) {
        return true;
    }
    json_t *request =
        json_pack("{s:s,s:s,s:s,s:O}", "object", "reputation", "action", "import",
                  "level", reputation_name(level), "keys", i->keys[level]);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    i->status =
        text == NULL ? EXIT_SYSTEM : cmd_ask(i->cfg, "directory", text, on_line, i);
    free(text);
    json_decref(request);
    (void)json_array_clear(i->keys[level]);
    if (i->status == NOBODY_LISTENS) {
        (void)fputs("postern: no server runs here: the counts are in its memory\n",
                    stderr);
        i->status = EXIT_SYSTEM;
    }
    return i->status == EXIT_OK;
}

static bool put(struct import *i, enum reputation level, const char *kind,
                struct slice name)
{
    json_t *key = json_sprintf("%s%.*s", kind, (int)name.len, (const char *)name.ptr);
    if (key == NULL || json_array_append_new(i->keys[level], key) != 0) {
        (void)fputs("postern: a word is not UTF-8, or memory is short\n", stderr);
        i->status = EXIT_SYSTEM;
        return false;
    }
    return json_array_size(i->keys[level]) < KEYS_MAX || send_keys(i, level);
}

/* Each of the networks that are counted which the given one is made of. */
static bool put_network(struct import *i, enum reputation level, const struct net *net)
{
    unsigned counted = ip_is_v4(&net->ip) ? 96 + (unsigned)i->cfg->limits_network_ipv4
                                          : (unsigned)i->cfg->limits_network_ipv6;
    char text[NET_TEXT_MAX];
    struct net one = net_around(&net->ip, (uint8_t)counted);
    for (unsigned long n = 1UL << (counted - net->bits); n > 0; n--) {
        if (!put(i, level, "network:", net_text(&one, text))) {
            return false;
        }
        for (unsigned bit = counted; bit > 0; bit--) { /* the next one */
            unsigned char mask = (unsigned char)(0x80U >> (bit - 1) % 8);
            one.ip.octet[(bit - 1) / 8] ^= mask;
            if ((one.ip.octet[(bit - 1) / 8] & mask) != 0) {
                break;
            }
        }
    }
    return true;
}

static bool wrong(struct import *i, const char *what)
{
    (void)fprintf(stderr, "postern: line %lu: %s; nothing behind it was read\n", i->line,
                  what);
    i->status = EXIT_USAGE;
    return false;
}

static bool take_key(struct import *i, enum reputation level, struct slice key)
{
    enum rate_kind kind;
    struct ip ip;
    struct net net;
    size_t colon = slice_find(key, ':');
    if (colon < key.len && rate_kind_read(slice_sub(key, 0, colon), &kind)) {
        return put(i, level, "", key);
    }
    if (ip_parse(key, &ip)) {
        char text[IP_TEXT_MAX];
        return put(i, level, "ip:", ip_text(&ip, text));
    }
    if (net_parse(key, &net) == NET_OK) {
        unsigned counted = ip_is_v4(&net.ip) ? 96 + (unsigned)i->cfg->limits_network_ipv4
                                             : (unsigned)i->cfg->limits_network_ipv6;
        return net.bits <= counted && counted - net.bits <= SPLIT_BITS_MAX
                   ? put_network(i, level, &net)
                   : wrong(i, "that network is smaller than those that are counted "
                              "(limits.network-ipv4, -ipv6), or too large");
    }
    if (!address_is_domain(key)) {
        return wrong(i, "that is no address, network, domain or kind:name");
    }
    return put(i, level, "dkim:", key) && put(i, level, "spf:", key) &&
           put(i, level, "from:", key);
}

static struct slice next_word(struct slice *rest)
{
    *rest = slice_strip(*rest);
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] > ' ') {
        end++;
    }
    struct slice word = slice_sub(*rest, 0, end);
    *rest = slice_from(*rest, end);
    return word;
}

static bool take_line(struct import *i, enum reputation usual, struct slice line)
{
    enum reputation level = usual;
    i->line++;
    line = slice_sub(line, 0, slice_find(line, '#'));
    line = slice_sub(line, 0, slice_find(line, ';'));
    struct slice key = next_word(&line), word = next_word(&line);
    if (key.len == 0) {
        return true;
    }
    if (word.len > 0 && (!reputation_read(word, &level) || level == REPUTATION_UNKNOWN)) {
        return wrong(i, "there is no such level; say good, neutral, low or very-low");
    }
    return take_key(i, level, key);
}

static void read_all(struct import *i, enum reputation usual, FILE *f)
{
    char text[LINE_OCTETS_MAX];
    bool ok = true;
    while (ok && fgets(text, sizeof text, f) != NULL) {
        size_t n = strlen(text);
        ok = n + 1 < sizeof text || text[n - 1] == '\n'
                 ? take_line(i, usual, (struct slice){(unsigned char *)text, n})
                 : wrong(i, "it is too long");
    }
    for (unsigned level = 0; level < LEVELS && i->status == EXIT_OK; level++) {
        (void)send_keys(i, (enum reputation)level);
    }
}

int cmd_reputation_import(struct cmd_ctx *ctx, const char *file, const char *level)
{
    struct import i = {.status = EXIT_OK};
    enum reputation usual = REPUTATION_VERY_LOW;
    if (level != NULL &&
        (!reputation_read(slice_of(level), &usual) || usual == REPUTATION_UNKNOWN)) {
        return cmd_usage("reputation", "there is no such level",
                         "import FILE|- [--level good|neutral|low|very-low]");
    }
    bool standard = strcmp(file, "-") == 0;
    FILE *f = standard ? stdin : fopen(file, "r");
    struct config *cfg = f == NULL ? NULL : cmd_config(ctx);
    if (f == NULL) {
        (void)fprintf(stderr, "postern: %s: %s\n", file, strerror(errno));
        return EXIT_SYSTEM;
    }
    i.cfg = cfg;
    i.status = cfg == NULL ? EXIT_CONFIG : EXIT_OK;
    for (unsigned n = 0; n < LEVELS; n++) {
        i.keys[n] = json_array();
    }
    if (cfg != NULL) {
        read_all(&i, usual, f);
        (void)printf("%lu keys of %lu lines were set\n", i.set, i.line);
    }
    for (unsigned n = 0; n < LEVELS; n++) {
        json_decref(i.keys[n]);
    }
    if (!standard) {
        (void)fclose(f);
    }
    config_free(&cfg);
    return i.status;
}
