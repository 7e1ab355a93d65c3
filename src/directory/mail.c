/* directory/mail.c - see mail.h */
#include "directory/mail.h"

#include <string.h>

enum { SERVICES = 4, FLAG_SUSPENDED = 1, FLAG_BY_DOMAIN = 2, FLAGS = 3 };

void dir_mail_ask_write(struct buf *b, const struct dir_mail_ask *a)
{
    wire_put_u64(b, a->cookie);
    wire_put_u8(b, a->service);
    (void)buf_add(b, (struct slice){a->ip.octet, sizeof a->ip.octet});
    wire_put_text(b, slice_sub(a->helo, 0, DIR_HELO_MAX));
    wire_put_text(b, a->local);
    wire_put_text(b, a->domain);
    wire_put_text(b, a->login);
    wire_put_u32(b, a->spend);
    wire_put_u64(b, a->message.session);
    wire_put_u32(b, a->message.n);
    wire_put_u8(b, a->give_back ? 1 : 0);
}

bool dir_mail_ask_read(struct slice payload, struct dir_mail_ask *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct dir_mail_ask a = {.cookie = wire_u64(&r), .service = wire_u8(&r)};
    struct slice ip = wire_bytes(&r, sizeof a.ip.octet);
    a.helo = wire_text(&r);
    a.local = wire_text(&r);
    a.domain = wire_text(&r);
    a.login = wire_text(&r);
    a.spend = wire_u32(&r);
    a.message.session = wire_u64(&r);
    a.message.n = wire_u32(&r);
    uint8_t give_back = wire_u8(&r);
    a.give_back = give_back == 1;
    if (!wire_done(&r) || give_back > 1 || a.service >= SERVICES ||
        a.helo.len > DIR_HELO_MAX || a.local.len > DIR_LOCAL_MAX ||
        a.domain.len > DIR_DOMAIN_MAX || a.login.len > DIR_ADDRESS_MAX) {
        return false;
    }
    memcpy(a.ip.octet, ip.ptr, sizeof a.ip.octet);
    *out = a;
    return true;
}

void dir_mail_write(struct buf *b, const struct dir_mail *m)
{
    wire_put_u64(b, m->cookie);
    wire_put_u8(b, m->fault ? 1 : 0);
    for (unsigned i = 0; i < DIR_BY_COUNT; i++) {
        const struct dir_customer *c = &m->customer[i];
        wire_put_text(b, c->name);
        wire_put_u8(b, (uint8_t)((c->suspended ? FLAG_SUSPENDED : 0) |
                                 (c->by_domain ? FLAG_BY_DOMAIN : 0)));
    }
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        wire_put_u64(b, m->quota[i].limit);
        wire_put_u64(b, m->quota[i].used);
    }
    for (unsigned i = 0; i < DIR_LIMIT_COUNT; i++) {
        wire_put_u64(b, m->limit[i].limit);
        wire_put_u64(b, m->limit[i].used);
        wire_put_u32(b, m->limit[i].span_s);
        wire_put_u32(b, m->limit[i].wait_s);
    }
    wire_put_u8(b, m->spent ? 1 : 0);
    wire_put_u8(b, (uint8_t)m->sender);
    wire_put_u64(b, m->recipients);
    wire_put_u64(b, m->data);
    wire_put_text(b, m->groups);
}

bool dir_mail_read(struct slice payload, struct dir_mail *out)
{
    struct wire_reader r = wire_reader_of(payload);
    struct dir_mail m = {.cookie = wire_u64(&r)};
    uint8_t fault = wire_u8(&r);
    for (unsigned i = 0; i < DIR_BY_COUNT; i++) {
        struct slice name = wire_text(&r);
        uint8_t flags = wire_u8(&r);
        if (r.failed || name.len > DIR_CUSTOMER_MAX || flags > FLAGS) {
            return false;
        }
        m.customer[i] = (struct dir_customer){name, (flags & FLAG_SUSPENDED) != 0,
                                              (flags & FLAG_BY_DOMAIN) != 0};
    }
    for (unsigned i = 0; i < DIR_QUOTA_COUNT; i++) {
        m.quota[i].limit = wire_u64(&r);
        m.quota[i].used = wire_u64(&r);
    }
    for (unsigned i = 0; i < DIR_LIMIT_COUNT; i++) {
        m.limit[i].limit = wire_u64(&r);
        m.limit[i].used = wire_u64(&r);
        m.limit[i].span_s = wire_u32(&r);
        m.limit[i].wait_s = wire_u32(&r);
    }
    uint8_t spent = wire_u8(&r);
    uint8_t sender = wire_u8(&r);
    m.recipients = wire_u64(&r);
    m.data = wire_u64(&r);
    m.groups = wire_text(&r);
    if (!wire_done(&r) || m.groups.len > DIR_GROUPS_LEN_MAX || fault > 1 || spent > 1 ||
        sender >= DIR_SENDER_COUNT) {
        return false;
    }
    m.fault = fault == 1;
    m.spent = spent == 1;
    m.sender = (enum dir_sender)sender;
    *out = m;
    return true;
}

enum dir_by dir_mail_by(const struct dir_mail *m)
{
    static const struct {
        enum dir_by by;
        bool domain; /* only where presenting a domain is enough */
    } ways[] = {{DIR_BY_LOGIN, false},
                {DIR_BY_ADDRESS, false},
                {DIR_BY_SENDER, true},
                {DIR_BY_HELO, true}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const struct dir_customer *c = &m->customer[ways[i].by];
        if (c->name.len > 0 && (c->by_domain || !ways[i].domain)) {
            return ways[i].by;
        }
    }
    return DIR_BY_COUNT;
}

uint64_t dir_limit_units(enum dir_limit_of which, uint64_t recipients)
{
    return which == DIR_LIMIT_USER_MESSAGES ? 1 : recipients;
}

bool dir_limit_passed(const struct dir_limit *l, uint64_t units)
{
    return l->limit != 0 && (l->used >= l->limit || units > l->limit - l->used);
}
