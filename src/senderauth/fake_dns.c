#include "senderauth/fake_dns.h"

#include "base/log.h"
#include "dns/name.h"

#include <string.h>

enum { ARENA_MAX = 64 << 20, CNAMES_MAX = 8, KEY_MAX = 512 };

static struct slice word(struct slice *line)
{
    size_t n = slice_find(*line, ' ');
    struct slice first = slice_sub(*line, 0, n);
    *line = slice_from(*line, n + 1);
    return first;
}

static bool fill(const struct fake_line *line, enum dns_type type, struct dns_record *out)
{
    *out = (struct dns_record){.name = line->data};
    switch ((unsigned)type) {
    case DNS_A:
    case DNS_AAAA:
        return slice_eq(line->type, SLICE("A")) && ip_parse(line->data, &out->ip) &&
               ip_is_v4(&out->ip) == (type == DNS_A);
    case DNS_MX:
        if (slice_eq(line->data, SLICE("."))) {
            out->name.len = 0;
        }
        return slice_eq(line->type, SLICE("MX"));
    case DNS_PTR:
        return slice_eq(line->type, SLICE("PTR"));
    case DNS_CNAME:
        return slice_eq(line->type, SLICE("CNAME"));
    case DNS_TXT:
        out->text = line->data;
        return slice_eq(line->type, SLICE("TXT"));
    default:
        return false;
    }
}

/* What the lines say of one name; its alias where they say that instead. */
static struct dns_answer collect(struct fake_dns *dns, enum dns_type type,
                                 struct slice name, struct slice *alias)
{
    struct dns_answer answer = {.status = DNS_NXDOMAIN, .name = name, .ttl = 60};
    struct dns_record *record =
        arena_alloc(&dns->arena, dns->line_n * sizeof *record + 1);
    BUG_ON(record == NULL);
    for (unsigned i = 0; i < dns->line_n; i++) {
        const struct fake_line *line = &dns->line[i];
        bool own = slice_ieq(line->name, name);
        if (!dns_name_below(line->name, name)) {
            continue;
        }
        if (own && slice_eq(line->type, SLICE("FAIL"))) {
            return (struct dns_answer){
                .status = DNS_FAILED, .name = name, .why = "timeout"};
        }
        if (own && slice_eq(line->type, SLICE("CNAME")) && type != DNS_CNAME) {
            *alias = line->data;
        }
        answer.n += own && fill(line, type, &record[answer.n]);
        answer.status = answer.n > 0 ? DNS_FOUND : DNS_NODATA;
    }
    answer.record = record;
    return answer;
}

static struct dns_answer look_up(struct fake_dns *dns, enum dns_type type,
                                 struct slice name)
{
    struct dns_answer answer = {.status = DNS_NXDOMAIN, .name = name};
    for (unsigned i = 0; i < CNAMES_MAX; i++) {
        struct slice alias = {0};
        if (name.len == 0 || !dns_name_ok(name)) {
            return (struct dns_answer){.status = DNS_NXDOMAIN, .name = name};
        }
        answer = collect(dns, type, name, &alias);
        if (answer.status != DNS_NODATA || alias.len == 0) {
            return answer;
        }
        name = alias;
    }
    answer.status = DNS_FAILED;
    answer.why = "too many CNAMEs";
    return answer;
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    struct fake_dns *dns = arg;
    unsigned char room[KEY_MAX];
    struct slice key = {room, 1 + name.len};
    BUG_ON(key.len > sizeof room);
    room[0] = (unsigned char)type;
    for (size_t i = 0; i < name.len; i++) {
        room[1 + i] = ascii_lower(name.ptr[i]);
    }
    struct fake_question *q = map_get(&dns->answers, key);
    if (q == NULL) {
        q = arena_alloc(&dns->arena, sizeof *q);
        BUG_ON(q == NULL || dns->question_n == FAKE_DNS_QUESTIONS_MAX);
        q->type = type;
        BUG_ON(!arena_dup(&dns->arena, slice_from(key, 1), &q->name));
        q->answer = look_up(dns, type, q->name);
        q->known = !dns->slow;
        BUG_ON(!map_put(&dns->answers, key, q));
        dns->question[dns->question_n++] = q;
    }
    return q->known ? &q->answer : NULL;
}

void fake_dns_init(struct fake_dns *dns, struct slice text)
{
    struct slice line;
    dns->source = (struct dns_source){ask, dns};
    dns->slow = false;
    dns->line_n = dns->question_n = 0;
    arena_init(&dns->arena, ARENA_MAX);
    map_init(&dns->answers, FAKE_DNS_QUESTIONS_MAX);
    while (dns->line_n < FAKE_DNS_LINES_MAX && slice_line(&text, &line)) {
        struct fake_line *to = &dns->line[dns->line_n++];
        to->name = word(&line);
        to->type = word(&line);
        to->data = line;
    }
}

void fake_dns_clear(struct fake_dns *dns)
{
    map_clear(&dns->answers);
    arena_clear(&dns->arena);
}

void fake_dns_forget(struct fake_dns *dns, bool slow)
{
    map_clear(&dns->answers);
    arena_reset(&dns->arena);
    map_init(&dns->answers, FAKE_DNS_QUESTIONS_MAX);
    dns->question_n = 0;
    dns->slow = slow;
}

bool fake_dns_reveal(struct fake_dns *dns, unsigned pick)
{
    unsigned unknown = 0;
    for (unsigned i = 0; i < dns->question_n; i++) {
        unknown += !dns->question[i]->known;
    }
    for (unsigned i = 0, seen = 0; i < dns->question_n; i++) {
        if (!dns->question[i]->known && seen++ == pick % unknown) {
            dns->question[i]->known = true;
            return true;
        }
    }
    return false;
}
