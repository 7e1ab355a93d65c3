/* proc/msg.c - see msg.h */
#include "proc/msg.h"

#include "base/log.h"

static const struct {
    const char *name;
    unsigned from, to; /* sets of roles */
    size_t min, max;   /* octets of payload */
    bool fd;
} rows[MSG_TYPE_COUNT] = {
#define X(name, from, to, min, max, fd) [MSG_##name] = {#name, from, to, min, max, fd},
    MSGS(X)
#undef X
};

#define X(name, from, to, min, max, fd)                                                  \
    _Static_assert((min) <= (max) && (max) <= MSG_PAYLOAD_MAX, "bounds of " #name);
MSGS(X)
#undef X

const char *role_name(enum role role)
{
    static const char *const names[ROLE_COUNT] = {
#define X(r) [ROLE_##r] = #r,
        ROLES(X)
#undef X
    };
    return (unsigned)role < ROLE_COUNT ? names[role] : "?";
}

const char *msg_name(enum msg_type type)
{
    return type > MSG_NONE && type < MSG_TYPE_COUNT ? rows[type].name : "?";
}

bool msg_may(enum msg_type type, enum role from, enum role to)
{
    BUG_ON((unsigned)from >= ROLE_COUNT || (unsigned)to >= ROLE_COUNT);
    return type > MSG_NONE && type < MSG_TYPE_COUNT &&
           (rows[type].from >> from & 1U) != 0 && (rows[type].to >> to & 1U) != 0;
}

bool msg_check(struct slice datagram, size_t fd_n, enum role from, enum role to,
               struct msg *out)
{
    struct wire_reader r = wire_reader_of(datagram);
    uint32_t len = wire_u32(&r);
    uint16_t type = wire_u16(&r);
    uint16_t zero = wire_u16(&r);

    if (r.failed || zero != 0 || len != r.rest.len) {
        return false;
    }
    if (!msg_may((enum msg_type)type, from, to)) {
        return false;
    }
    if (len < rows[type].min || len > rows[type].max) {
        return false;
    }
    if (fd_n != (rows[type].fd ? 1U : 0U)) {
        return false;
    }
    out->type = (enum msg_type)type;
    out->payload = r.rest;
    return true;
}

void msg_head(enum msg_type type, size_t payload_len, unsigned char head[MSG_HEAD_LEN])
{
    BUG_ON(payload_len > MSG_PAYLOAD_MAX);
    uint32_t len = (uint32_t)payload_len;
    uint16_t t = (uint16_t)type;
    for (unsigned i = 0; i < 4; i++) {
        head[i] = (unsigned char)(len >> (8 * i));
    }
    head[4] = (unsigned char)t;
    head[5] = (unsigned char)(t >> 8);
    head[6] = head[7] = 0;
}

bool msg_read_peer(struct slice payload, struct msg_peer *out)
{
    struct wire_reader r = wire_reader_of(payload);
    unsigned role = wire_u8(&r);
    unsigned index = wire_u8(&r);
    if (!wire_done(&r) || role >= ROLE_COUNT || role == ROLE_supervisor) {
        return false;
    }
    *out = (struct msg_peer){(enum role)role, index};
    return true;
}
