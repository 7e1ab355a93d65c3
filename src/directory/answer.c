/* directory/answer.c - see answer.h */
#include "directory/answer.h"

enum { FLAG_TRAP = 1 };

void dir_answer_write(struct buf *b, const struct dir_answer *a)
{
    wire_put_u64(b, a->cookie);
    wire_put_u8(b, (uint8_t)a->status);
    wire_put_u8(b, a->trap ? FLAG_TRAP : 0);
    wire_put_text(b, a->domain);
    wire_put_u64(b, a->used);
    wire_put_u64(b, a->quota);
    wire_put_u64(b, a->last_use_ms);
    wire_put_u64(b, a->generation);
    wire_put_text(b, a->settings);
    wire_put_text(b, a->groups);
    wire_put_u16(b, a->target_n);
    (void)buf_add(b, a->targets);
}

void dir_target_write(struct buf *targets, const struct dir_target *t)
{
    wire_put_u8(targets, t->kind);
    wire_put_text(targets, t->address);
}

static bool take_target(struct wire_reader *r, struct dir_target *out)
{
    struct dir_target t = {.kind = wire_u8(r)};
    t.address = wire_text(r);
    if (r->failed || t.kind == 0 || t.address.len == 0 ||
        t.address.len > DIR_ADDRESS_MAX) {
        return false;
    }
    *out = t;
    return true;
}

bool dir_answer_target(struct dir_answer *a, struct dir_target *out)
{
    struct wire_reader r = wire_reader_of(a->targets);
    if (a->target_n == 0 || !take_target(&r, out)) {
        return false;
    }
    a->targets = r.rest;
    a->target_n--;
    return true;
}

bool dir_answer_read(struct slice payload, struct dir_answer *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct dir_answer a = {.cookie = wire_u64(&r)};
    uint8_t status = wire_u8(&r), flags = wire_u8(&r);
    a.domain = wire_text(&r);
    a.used = wire_u64(&r);
    a.quota = wire_u64(&r);
    a.last_use_ms = wire_u64(&r);
    a.generation = wire_u64(&r);
    a.settings = wire_text(&r);
    a.groups = wire_text(&r);
    a.target_n = wire_u16(&r);
    struct dir_settings settings;
    if (r.failed || a.groups.len > DIR_GROUPS_LEN_MAX || status > DIR_FAULT ||
        flags > FLAG_TRAP || a.domain.len > DIR_DOMAIN_MAX ||
        a.target_n > DIR_TARGETS_MAX || (status == DIR_OK) != (a.target_n > 0) ||
        r.rest.len > DIR_TARGETS_LEN_MAX || !dir_settings_read(a.settings, &settings)) {
        return false;
    }
    a.status = (enum dir_status)status;
    a.trap = flags == FLAG_TRAP;
    a.targets = r.rest;
    struct dir_target t;
    for (unsigned i = 0; i < a.target_n; i++) {
        if (!take_target(&r, &t)) {
            return false;
        }
    }
    if (!wire_done(&r)) {
        return false;
    }
    *out = a;
    return true;
}
