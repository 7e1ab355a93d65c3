/* tests/conformance/zone.c - a zone in JSON as a source of DNS answers; see conformance.h */
#include "conformance.h"

#include <string.h>

struct zone_answer {
    struct zone_answer *next;
    enum dns_type type;
    struct slice name; /* as asked, in lower case */
    bool known;
    struct dns_answer answer;
};

enum { CNAMES_MAX = 8, ROUNDS_MAX = 1000 };

static const struct {
    enum dns_type type;
    const char *word;
} types[] = {{DNS_A, "A"},         {DNS_AAAA, "AAAA"}, {DNS_PTR, "PTR"},  {DNS_MX, "MX"},
             {DNS_CNAME, "CNAME"}, {DNS_TXT, "TXT"},   {DNS_TLSA, "TLSA"}};

static const char *type_word(enum dns_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            return types[i].word;
        }
    }
    return "?";
}

static struct slice lower(struct run *run, struct slice s)
{
    unsigned char *p = arena_alloc(&run->arena, s.len + 1);
    for (size_t i = 0; p != NULL && i < s.len; i++) {
        p[i] = ascii_lower(s.ptr[i]);
    }
    return (struct slice){p, p == NULL ? 0 : s.len};
}

/* The records of a name in one of the zones; *below: the name has names under it. */
static const json_t *records_in(struct zone *z, const json_t *zone, struct slice name,
                                bool *below)
{
    const char *key;
    json_t *value;
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = zone}; /* json_object_foreach() wants it so, and changes nothing */
    json_object_foreach(object.out, key, value)
    {
        json_t *string = json_string(key);
        struct slice owner = octets(z->run, string);
        json_decref(string);
        if (slice_ieq(owner, name)) {
            return value;
        }
        if (owner.len > name.len && owner.ptr[owner.len - name.len - 1] == '.' &&
            slice_ieq(slice_from(owner, owner.len - name.len), name)) {
            *below = true;
        }
    }
    return NULL;
}

static bool name_ok(struct slice name)
{
    size_t label = 0;
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.ptr[i] != '.') {
            label++;
        } else if (label == 0 || label > DNS_LABEL_MAX) {
            return false;
        } else {
            label = 0;
        }
    }
    return name.len <= DNS_NAME_MAX;
}

static bool fill(struct zone *z, const json_t *json, enum dns_type type,
                 struct dns_record *record)
{
    struct run *run = z->run;
    const json_t *txt = json_object_get(json, "txt");
    struct buf text;
    *record = (struct dns_record){0};
    switch ((unsigned)type) {
    case DNS_A:
    case DNS_AAAA:
        return ip_parse(slice_of(text_of(json, "data")), &record->ip);
    case DNS_PTR:
    case DNS_CNAME:
        record->name = lower(run, octets(run, json_object_get(json, "data")));
        return true;
    case DNS_MX:
        record->preference = (uint16_t)json_integer_value(json_object_get(json, "pref"));
        record->name = lower(run, octets(run, json_object_get(json, "host")));
        return true;
    case DNS_TXT:
        buf_init(&text, 1 << 20);
        for (size_t i = 0; i < json_array_size(txt); i++) {
            buf_add(&text, octets(run, json_array_get(txt, i)));
        }
        IGNORE(
            arena_dup(&run->arena, buf_slice(&text), &record->text)); /* or it is empty */
        buf_clear(&text);
        return true;
    default:
        return false;
    }
}

/* The records of one type into *answer; the error that stands there instead, when one does. */
static void collect(struct zone *z, const json_t *records, enum dns_type type,
                    struct dns_answer *answer)
{
    const char *word = type_word(type);
    size_t n = json_array_size(records);
    struct dns_record *record = arena_alloc(&z->run->arena, (n + 1) * sizeof *record);
    const char *error = NULL;
    for (size_t i = 0; record != NULL && i < n; i++) {
        const json_t *json = json_array_get(records, i);
        const char *is = text_of(json, "type");
        bool whole = strcmp(is, "*") == 0;
        if (json_object_get(json, "error") != NULL) {
            error = whole || strcmp(is, word) == 0 ? text_of(json, "error") : error;
        } else if (strcmp(is, word) == 0 && fill(z, json, type, &record[answer->n])) {
            answer->n++;
        }
    }
    answer->record = record;
    answer->status = answer->n > 0 ? DNS_FOUND : error != NULL ? DNS_FAILED : DNS_NODATA;
    answer->why = error;
}

static struct dns_answer look_up(struct zone *z, enum dns_type type, struct slice name)
{
    struct dns_answer answer = {.name = name, .ttl = 3600};
    for (unsigned i = 0; i < CNAMES_MAX; i++) {
        bool below = false;
        const json_t *records = records_in(z, z->over, name, &below);
        if (records == NULL) {
            records = records_in(z, z->base, name, &below);
        }
        answer.name = name;
        if (!name_ok(name) || records == NULL) {
            answer.status = below ? DNS_NODATA : DNS_NXDOMAIN;
            return answer;
        }
        collect(z, records, type, &answer);
        struct dns_answer alias = {0};
        if (answer.status == DNS_NODATA) {
            collect(z, records, DNS_CNAME, &alias);
        }
        if (alias.status != DNS_FOUND || alias.n == 0) {
            return answer;
        }
        name = alias.record[0].name;
    }
    answer.status = DNS_FAILED;
    answer.why = "too many CNAMEs";
    return answer;
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    struct zone *z = arg;
    for (struct zone_answer *a = z->first; a != NULL; a = a->next) {
        if (a->type == type && slice_ieq(a->name, name)) {
            return a->known ? &a->answer : NULL;
        }
    }
    struct zone_answer *a = arena_alloc(&z->run->arena, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->type = type;
    a->name = lower(z->run, name);
    a->answer = look_up(z, type, a->name);
    a->known = !z->slow;
    if (z->last == NULL) {
        z->first = a;
    } else {
        z->last->next = a;
    }
    z->last = a;
    z->asked++;
    return a->known ? &a->answer : NULL;
}

void zone_init(struct zone *zone, struct run *run, const json_t *base, const json_t *over)
{
    *zone = (struct zone){.run = run, .base = base, .over = over};
    zone->source = (struct dns_source){ask, zone};
}

bool zone_reveal(struct zone *zone, bool newest)
{
    struct zone_answer *found = NULL;
    for (struct zone_answer *a = zone->first; a != NULL; a = a->next) {
        if (!a->known && (newest || found == NULL)) {
            found = a;
        }
    }
    if (found != NULL) {
        found->known = true;
    }
    return found != NULL;
}

bool zone_question(const struct zone *zone, unsigned number, enum dns_type *type,
                   struct slice *name)
{
    const struct zone_answer *a = zone->first;
    while (a != NULL && number > 0) {
        a = a->next;
        number--;
    }
    if (a == NULL) {
        return false;
    }
    *type = a->type;
    *name = a->name;
    return true;
}

bool zone_play(struct zone *zone, bool newest, bool (*step)(void *arg), void *arg)
{
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        if (step(arg)) {
            return true;
        }
        if (!zone_reveal(zone, newest)) {
            wrong(zone->run, "it waits, though all is known");
            return false;
        }
    }
    wrong(zone->run, "it asks and asks");
    return false;
}
