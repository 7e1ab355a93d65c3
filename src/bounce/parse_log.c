/* bounce/parse_log.c - lines of mail logs; see parse.h
 *
 * Postfix   to=<a@b.example>, relay=host[ip]:25, dsn=5.1.1, status=bounced (host said: 550 ...)
 * sendmail  to=<a@b.example>, relay=host. [ip], dsn=5.1.1, reply=550 ..., stat=User unknown
 * OpenSMTPD to=<a@b.example> relay="ip (host)" result="PermFail" stat="550 ..."
 * Exim      ** a@b.example R=router T=transport H=host [ip]: ... 550 ...   (== deferred)
 * Postern   role=queue/0 event=failed to=a@b.example where=host[ip] reply="550 ..."
 * and what the servers say when they refuse themselves: "reject: RCPT from ...: 550 ...",
 * "rejected RCPT <a@b.example>: ...", "reject=550 ...". */
#include "bounce/address_find.h"
#include "bounce/parse_impl.h"
#include "bounce/reply_find.h"

#include <string.h>

struct outcome {
    const char *word;
    enum bounce_delivery delivery;
};

static const struct outcome postfix_status[] = {
    {"bounced", BOUNCE_FAILED},       {"expired", BOUNCE_FAILED},
    {"undeliverable", BOUNCE_FAILED}, {"deferred", BOUNCE_DELAYED},
    {"SOFTBOUNCE", BOUNCE_DELAYED},   {NULL, BOUNCE_DELIVERY_UNKNOWN}};
static const struct outcome opensmtpd_result[] = {{"PermFail", BOUNCE_FAILED},
                                                  {"TempFail", BOUNCE_DELAYED},
                                                  {"LoopFail", BOUNCE_FAILED},
                                                  {NULL, BOUNCE_DELIVERY_UNKNOWN}};
static const struct outcome postern_event[] = {{"failed", BOUNCE_FAILED},
                                               {"expired", BOUNCE_FAILED},
                                               {"deferred", BOUNCE_DELAYED},
                                               {NULL, BOUNCE_DELIVERY_UNKNOWN}};

static enum bounce_delivery outcome_of(const struct outcome *table, struct slice s)
{
    while (table->word != NULL && !slice_starts(s, slice_of(table->word))) {
        table++;
    }
    return table->delivery;
}

/* What follows `key`, which begins a word; false: not there. */
static bool value_of(struct slice line, const char *key, struct slice *out)
{
    struct slice wanted = slice_of(key);
    for (size_t from = 0; from < line.len;) {
        size_t at = from + slice_search(slice_from(line, from), wanted);
        if (at >= line.len) {
            return false;
        }
        if (at == 0 || strchr(" ,;\t(\"", line.ptr[at - 1]) != NULL) {
            *out = slice_from(line, at + wanted.len);
            return true;
        }
        from = at + 1;
    }
    return false;
}

/* Up to the closing quote, or the next of `ends`. */
static struct slice token(struct slice s, const char *ends)
{
    size_t end = 0;
    if (s.len > 0 && s.ptr[0] == '"') {
        return slice_sub(s, 1, slice_find(slice_from(s, 1), '"'));
    }
    while (end < s.len && (s.ptr[end] == '\0' || strchr(ends, s.ptr[end]) == NULL)) {
        end++;
    }
    return slice_sub(s, 0, end);
}

static bool recipient_of(struct slice line, struct slice *out)
{
    struct slice value;
    struct address_found f;
    if (!value_of(line, "to=", &value)) {
        return false;
    }
    value = token(value, " ;"); /* "to=a@b.example,c@b.example, delay=" */
    if (!address_find(value, 0, &f)) {
        return false;
    }
    *out = f.address;
    return true;
}

static void note(struct slice said, struct bounce_recipient *r)
{
    struct bounce_found found;
    r->reply = said;
    r->stage = bounce_find_stage(said);
    if (bounce_find_reply(said, &found)) {
        r->code = found.code;
        r->status = found.status.klass != 0 ? found.status : r->status;
        if (r->remote_host.len == 0) {
            r->remote_host = bounce_find_host(slice_sub(said, 0, found.off));
        }
        r->reply = found.code != 0 ? slice_from(said, found.off) : said;
    } else if (r->remote_host.len == 0) {
        r->remote_host = bounce_find_host(said);
    }
}

static void note_dsn(struct slice line, struct bounce_recipient *r)
{
    struct slice value;
    size_t used;
    if (!value_of(line, "dsn=", &value) ||
        !bounce_status_parse(value, &r->status, &used)) {
        r->status = (struct bounce_status){0};
    }
}

static void note_relay(struct slice line, struct bounce_recipient *r)
{
    struct slice value;
    if (value_of(line, "relay=", &value)) {
        value = token(value, "[ ,:");
        struct slice host = value;
        size_t open =
            slice_find(value, '('); /* OpenSMTPD: "192.0.2.1 (mx.example.net)" */
        if (open < value.len) {
            host = slice_sub(value, open + 1, slice_rfind(value, ')') - open - 1);
        }
        while (host.len > 0 && host.ptr[host.len - 1] == '.') {
            host.len--;
        }
        r->remote_host = slice_eq(host, SLICE("none")) ? (struct slice){0} : host;
    }
}

/* "(text)" at the end of the line. */
static struct slice in_brackets(struct slice s)
{
    size_t open = slice_find(s, '('), close = slice_rfind(s, ')');
    return open < s.len && close < s.len && close > open
               ? slice_sub(s, open + 1, close - open - 1)
               : (struct slice){0};
}

static bool postfix_line(struct slice line, struct bounce_recipient *r)
{
    struct slice status;
    if (!value_of(line, "status=", &status) || !recipient_of(line, &r->address)) {
        return false;
    }
    r->delivery = outcome_of(postfix_status, status);
    note_dsn(line, r);
    note_relay(line, r);
    note(in_brackets(status), r);
    return r->delivery != BOUNCE_DELIVERY_UNKNOWN;
}

/* The queue's word, not the delivery's, which tells of the same. */
static bool postern_line(struct slice line, struct bounce_recipient *r)
{
    struct slice role, event, reply, where;
    if (!value_of(line, "role=", &role) || !slice_starts(role, SLICE("queue")) ||
        !value_of(line, "event=", &event) || !value_of(line, "reply=", &reply) ||
        !recipient_of(line, &r->address)) {
        return false;
    }
    r->delivery = outcome_of(postern_event, event);
    if (value_of(line, "where=", &where)) {
        r->remote_host = token(where, " [");
    }
    note(token(reply, " "), r);
    return r->delivery != BOUNCE_DELIVERY_UNKNOWN;
}

static bool opensmtpd_line(struct slice line, struct bounce_recipient *r)
{
    struct slice result, stat;
    if (!value_of(line, "result=", &result) || !value_of(line, "stat=", &stat) ||
        !recipient_of(line, &r->address)) {
        return false;
    }
    r->delivery = outcome_of(opensmtpd_result, token(result, " "));
    note_relay(line, r);
    note(token(stat, ""), r);
    return r->delivery != BOUNCE_DELIVERY_UNKNOWN;
}

static bool sendmail_line(struct slice line, struct bounce_recipient *r)
{
    struct slice stat, reply;
    if (!value_of(line, "stat=", &stat) || !recipient_of(line, &r->address) ||
        slice_istarts(stat, SLICE("Sent")) || slice_istarts(stat, SLICE("queued")) ||
        slice_starts(stat, SLICE("\""))) { /* quoted: OpenSMTPD */
        return false;
    }
    note_dsn(line, r);
    note_relay(line, r);
    bool deferred = slice_istarts(stat, SLICE("Deferred")) || r->status.klass == 4;
    r->delivery = deferred ? BOUNCE_DELAYED : BOUNCE_FAILED;
    if (value_of(line, "reply=", &reply)) {
        size_t end = slice_search(reply, SLICE(", stat="));
        note(slice_sub(reply, 0, end), r);
    } else {
        note(stat, r);
    }
    return true;
}

static bool exim_line(struct slice line, struct bounce_recipient *r)
{
    static const struct {
        const char *mark;
        enum bounce_delivery delivery;
    } marks[] = {{" ** ", BOUNCE_FAILED}, {" == ", BOUNCE_DELAYED}};
    for (size_t i = 0; i < 2; i++) {
        size_t at = slice_search(line, slice_of(marks[i].mark));
        struct address_found f;
        if (at >= line.len || !address_find(slice_sub(line, 0, at + 400), at, &f) ||
            f.off > at + 4 + 320) {
            continue;
        }
        struct slice rest = slice_from(line, f.end), value;
        r->address = f.address;
        r->delivery = marks[i].delivery;
        if (value_of(rest, "H=", &value)) {
            r->remote_host = token(value, " [:");
        }
        size_t colon = slice_search(rest, SLICE(": "));
        note(slice_strip(colon < rest.len ? slice_from(rest, colon + 2) : rest), r);
        return true;
    }
    return false;
}

/* What a server says when it refuses itself, and to which command. */
static const struct {
    const char *mark;
    enum bounce_stage stage;
} refusals[] = {
    {"reject: RCPT ", BOUNCE_STAGE_RCPT},
    {"reject: MAIL ", BOUNCE_STAGE_MAIL},
    {"reject: DATA ", BOUNCE_STAGE_DATA},
    {"reject: END-OF-MESSAGE ", BOUNCE_STAGE_EOM},
    {"reject: CONNECT ", BOUNCE_STAGE_CONNECT},
    {"reject: EHLO ", BOUNCE_STAGE_HELO},
    {"reject: HELO ", BOUNCE_STAGE_HELO},
    {"reject: header ", BOUNCE_STAGE_EOM},
    {"reject: body ", BOUNCE_STAGE_EOM},
    {"reject: ", BOUNCE_STAGE_UNKNOWN},
    {" rejected RCPT ", BOUNCE_STAGE_RCPT},
    {" rejected MAIL ", BOUNCE_STAGE_MAIL},
    {" rejected after DATA", BOUNCE_STAGE_EOM},
    {" rejected EHLO or HELO ", BOUNCE_STAGE_HELO},
};

/* The words of a refusal: behind the first ": ", or, of a header or body, behind the HELO name;
 * without what Postfix says of the envelope. */
static struct slice refusal_of(struct slice rest)
{
    size_t helo = slice_search(rest, SLICE(" helo=<"));
    size_t close = helo + slice_search(slice_from(rest, helo), SLICE(">: "));
    if (close < rest.len) {
        return slice_from(rest, close + 3);
    }
    size_t colon = slice_search(rest, SLICE(": "));
    size_t end = slice_search(rest, SLICE("; from="));
    rest = slice_sub(rest, 0, end);
    return colon < rest.len ? slice_from(rest, colon + 2) : rest;
}

static bool refused_line(struct slice line, struct bounce_recipient *r)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct slice mark = slice_of(refusals[i].mark);
        size_t at = slice_search(line, mark);
        struct address_found f;
        if (at >= line.len) {
            continue;
        }
        struct slice rest = slice_from(line, at + mark.len);
        if (!recipient_of(rest, &r->address) && refusals[i].stage == BOUNCE_STAGE_RCPT &&
            address_find(rest, 0, &f)) {
            r->address = f.address;
        }
        note(slice_strip(refusal_of(rest)), r);
        r->stage =
            refusals[i].stage != BOUNCE_STAGE_UNKNOWN ? refusals[i].stage : r->stage;
        bool later =
            r->code / 100 == 4 || (r->code == 0 && r->status.klass == 4) ||
            slice_search(slice_sub(line, 0, at + 1), SLICE("temporarily ")) <= at;
        r->delivery = later ? BOUNCE_DELAYED : BOUNCE_FAILED;
        return true;
    }
    return false;
}

/* sendmail: ruleset=check_rcpt, arg1=<a@b.example>, relay=..., reject=550 5.7.1 ...
 * OpenSMTPD: smtp failed-command command="RCPT TO:<a@b.example>" result="550 ..." */
static bool refused_command(struct slice line, struct bounce_recipient *r)
{
    struct slice said, command;
    struct address_found f;
    bool sendmail =
        value_of(line, "reject=", &said) && value_of(line, "ruleset=", &command);
    if (!sendmail &&
        !(slice_search(line, SLICE(" failed-command ")) < line.len &&
          value_of(line, "command=", &command) && value_of(line, "result=", &said))) {
        return false;
    }
    bool rcpt = slice_istarts(command, SLICE("check_rcpt")) ||
                slice_istarts(command, SLICE("\"RCPT "));
    note(sendmail ? said : token(said, ""), r);
    r->stage = rcpt                                          ? BOUNCE_STAGE_RCPT
               : slice_istarts(command, SLICE("check_mail")) ? BOUNCE_STAGE_MAIL
               : slice_istarts(command, SLICE("\"MAIL "))    ? BOUNCE_STAGE_MAIL
                                                             : r->stage;
    if (rcpt && address_find(command, 0, &f)) {
        r->address = f.address;
    }
    r->delivery = r->code / 100 == 4 ? BOUNCE_DELAYED : BOUNCE_FAILED;
    return r->code != 0;
}

bool bounce_parse_log(struct bounce_parser *p, struct slice line,
                      struct bounce_recipient *out)
{
    static bool (*const forms[])(struct slice, struct bounce_recipient *) = {
        postfix_line, postern_line,    opensmtpd_line, sendmail_line,
        exim_line,    refused_command, refused_line};
    line = slice_sub(slice_strip(line), 0, BOUNCE_FIND_MAX);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        *out = (struct bounce_recipient){0};
        if (forms[i](line, out)) {
            parse_judge(p, out);
            return true;
        }
    }
    *out = (struct bounce_recipient){0};
    return false;
}
