/* daemon/smtpd_inspect.c - a transaction's message is looked into as it comes: see smtpd.h */
#include "daemon/smtpd.h"

struct inspect_settings smtpd_inspect_settings(const struct config *cfg)
{
    return (struct inspect_settings){
        .mime = {.depth = (unsigned)cfg->content_depth,
                 .parts = (unsigned)cfg->content_parts},
        .archive_size = cfg->content_archive_size,
        .archive = {.depth = (unsigned)cfg->content_archive_depth,
                    .entries = (unsigned)cfg->content_archive_files,
                    .octets = cfg->content_archive_unpacked,
                    .ratio = (unsigned)cfg->content_archive_ratio,
                    .time_ms = cfg->content_archive_time},
        .block = cfg->content_block.item,
        .block_n = cfg->content_block.n,
        .allow = cfg->content_allow.item,
        .allow_n = cfg->content_allow.n,
    };
}

void mail_inspect_head(struct client *c)
{
    c->inspect = inspect_new(&c->smtpd->inspect);
    if (c->inspect != NULL) {
        inspect_keep(c->inspect, mail_rules_keep(c));
    }
    if (c->inspect == NULL || !inspect_feed(c->inspect, buf_slice(&c->head.octets)) ||
        (c->head.empty_line && !inspect_feed(c->inspect, SLICE("\r\n")))) {
        inspect_free(&c->inspect);
    }
}

void mail_inspect_body(struct client *c, struct slice s)
{
    if (c->inspect != NULL && !inspect_feed(c->inspect, s)) {
        inspect_free(&c->inspect);
    }
}

const struct inspect_report *mail_inspect_end(struct client *c)
{
    if (c->inspect != NULL && !inspect_end(c->inspect)) {
        inspect_free(&c->inspect);
    }
    return c->inspect == NULL ? NULL : inspect_report(c->inspect);
}
