/* bench/rule_bench.c - what administrators' rules cost a message.
 *
 *   rule_bench [RULES] [OCTETS] [KIND]
 *
 * RULES rules (10) of usual kinds, none of which holds, over messages with OCTETS (10000) of text: all have to
 * be looked at. KIND "bare": all are regular expressions in which no word is sure to stand; "mixed": half of
 * them. Prints a JSON object: ms of CPU to read the rules, us of CPU for the first message, and for one of as many others of
 * other text as a second has. */
#include "rule/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of this process: other work on the machine makes no difference. */
static uint64_t cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint32_t seed = 1;
static unsigned roll(unsigned n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

static void add_word(struct buf *out)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgkqjxz";
    for (unsigned n = 3 + roll(8); n > 0; n--) {
        unsigned a = roll(26), b = roll(26);
        (void)buf_add_byte(out, (unsigned char)letters[a < b ? a : b]);
    }
}

static void add_text(struct buf *out, size_t octets)
{
    buf_reset(out);
    while (out->len < octets) {
        add_word(out);
        if (roll(20) == 0) {
            (void)buf_add_fmt(out, " %u", roll(1000000));
        }
        (void)buf_add_byte(out, roll(10) == 0 ? '\n' : ' ');
    }
}

static void add_rule(struct buf *set, unsigned i, bool bare)
{
    static const char *const forms[] = {
        "body has \"%s %s\"",
        "body has (\"%s %s\", \"%s %s\")",
        "subject has \"%s %s\"",
        "subject has %s%s, body word %s",
        "sender under %s.%s.example",
        "link under %s%s.example",
        "body word %s%s",
        "body matches \"%s +%s[0-9]*\"",
        "header X-Mailer has %s%s",
        "body has \"%s %s\", not sender under %s.example"};
    char word[6][40], text[400], name[16];
    for (unsigned k = 0; k < 6; k++) {
        struct buf b;
        buf_init(&b, 32);
        add_word(&b);
        (void)snprintf(word[k], sizeof word[k], "%.*s", (int)b.len, (const char *)b.ptr);
        buf_clear(&b);
    }
    if (bare) {
        (void)snprintf(text, sizeof text,
                       "body matches \"\\\\b[%.3s]{2}[0-9]{%u}[%.3s]+\\\\b\"", word[0],
                       3 + i % 7, word[1]);
    } else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(text, sizeof text, forms[i % 10], word[0], word[1], word[2],
                       word[3]);
#pragma GCC diagnostic pop
    }
    (void)snprintf(name, sizeof name, "r%u", i);
    rule_encode(set, slice_of(name), slice_of(text), SLICE("prohibit"));
}

int main(int argc, char **argv)
{
    unsigned long rules = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    unsigned long octets = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    struct message_head head;
    struct buf set_text, body;
    struct ip ip = {{0}};
    struct slice
        in = SLICE("Subject: notes of the meeting\r\nX-Mailer: Some mailer 1.0\r\n\r\n"),
        held, sender = SLICE("ann@mail.client.test"), link = SLICE("www.client.test");
    buf_init(&set_text, (size_t)16 << 20);
    buf_init(&body, (size_t)16 << 20);
    for (unsigned i = 0; i < rules; i++) {
        add_rule(&set_text, i,
                 argc > 3 && (strcmp(argv[3], "bare") == 0 || (i & 1) == 0));
    }
    struct slice text = SLICE("");
    message_head_init(&head, (struct head_limits){4096, 100});
    message_head_feed(&head, &in, &held);
    struct rule_facts f = {.head = &head, .client = &ip};
    f.list[RULE_BODY] = (struct rule_list){&text, 1};
    f.list[RULE_SENDER] = (struct rule_list){&sender, 1};
    f.list[RULE_LINK] = (struct rule_list){&link, 1};
    uint64_t begin = cpu_us();
    struct rule_set *set = rule_set_new(buf_slice(&set_text));
    uint64_t built = cpu_us();
    if (!message_head_end(&head) || set == NULL) {
        (void)fputs("usage: rule_bench [RULES] [OCTETS] [bare|mixed]\n", stderr);
        return 2;
    }
    unsigned n = 0, fired = 0;
    uint64_t spent = 0, first = 0;
    while (spent < 1000000) {
        struct rule_hits hits;
        add_text(&body, octets);
        text = buf_slice(&body);
        uint64_t from = cpu_us();
        unsigned at = 0;
        rule_set_look(set, &f, &hits);
        while (rule_set_next(set, &f, &hits, &at) != NULL) {
            fired++;
        }
        rule_hits_clear(&hits);
        n++;
        spent += cpu_us() - from;
        first = n == 1 ? spent : first;
    }
    (void)printf(
        "{\"rules\": %lu, \"octets\": %zu, \"set_octets\": %zu, \"read_ms\": %.1f, "
        "\"us_first\": %llu, \"us_a_message\": %.1f, \"fired\": %u}\n",
        rules, body.len, set_text.len, (double)(built - begin) / 1000,
        (unsigned long long)first, (double)(spent - first) / (n > 1 ? n - 1 : 1),
        fired / n);
    rule_set_free(&set);
    message_head_clear(&head);
    buf_clear(&set_text);
    buf_clear(&body);
    return 0;
}
