/* directory/login.c - see login.h */
#include "directory/login.h"

void dir_auth_ask_write(struct buf *b, const struct dir_auth_ask *a)
{
    wire_put_u64(b, a->cookie);
    wire_put_u8(b, (uint8_t)a->step);
    if (a->step == DIR_AUTH_BEGIN) {
        wire_put_u8(b, a->service);
        wire_put_u8(b, a->has_initial ? 1 : 0);
        wire_put_text(b, a->mechanism);
        wire_put_text(b, a->text);
        wire_put_text(b, a->ip);
        wire_put_text(b, a->binding);
    } else if (a->step == DIR_AUTH_NAMED) {
        wire_put_u8(b, a->service);
        wire_put_text(b, a->text);
        wire_put_text(b, a->ip);
    } else if (a->step == DIR_AUTH_RESPONSE) {
        wire_put_text(b, a->text);
    }
}

bool dir_auth_ask_read(struct slice payload, struct dir_auth_ask *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct dir_auth_ask a = {.cookie = wire_u64(&r)};
    uint8_t step = wire_u8(&r);
    uint8_t initial = 0;
    if (step == DIR_AUTH_BEGIN) {
        a.service = wire_u8(&r);
        initial = wire_u8(&r);
        a.mechanism = wire_text(&r);
        a.text = wire_text(&r);
        a.ip = wire_text(&r);
        a.binding = wire_text(&r);
    } else if (step == DIR_AUTH_NAMED) {
        a.service = wire_u8(&r);
        a.text = wire_text(&r);
        a.ip = wire_text(&r);
    } else if (step == DIR_AUTH_RESPONSE) {
        a.text = wire_text(&r);
    }
    if (!wire_done(&r) || step >= DIR_AUTH_STEPS || initial > 1 ||
        (step == DIR_AUTH_BEGIN && initial == 0 && a.text.len > 0) ||
        (step == DIR_AUTH_NAMED && a.text.len == 0)) {
        return false;
    }
    a.step = (enum dir_auth_step)step;
    a.has_initial = initial == 1;
    *out = a;
    return true;
}

void dir_auth_write(struct buf *b, const struct dir_auth *a)
{
    wire_put_u64(b, a->cookie);
    wire_put_u8(b, (uint8_t)a->kind);
    wire_put_u8(b, (uint8_t)a->why);
    wire_put_u64(b, a->retry);
    wire_put_text(b, a->text);
    wire_put_text(b, a->account);
}

bool dir_auth_read(struct slice payload, struct dir_auth *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct dir_auth a = {.cookie = wire_u64(&r)};
    uint8_t kind = wire_u8(&r);
    uint8_t why = wire_u8(&r);
    a.retry = wire_u64(&r);
    a.text = wire_text(&r);
    a.account = wire_text(&r);
    if (!wire_done(&r) || kind >= DIR_AUTH_KINDS || why >= DIR_AUTH_WHYS ||
        (kind == DIR_AUTH_OK && a.text.len == 0)) {
        return false;
    }
    a.kind = (enum dir_auth_kind)kind;
    a.why = (enum dir_auth_why)why;
    *out = a;
    return true;
}
