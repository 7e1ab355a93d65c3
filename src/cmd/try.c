/* cmd/try.c - postern try: a message, as if it came to mx from an address (or, with --login, a user sent it by
 * submission), and what each check would say of it. Nothing is delivered, counted or kept; rates are not
 * looked at, ladders stand on their first step. */
#include "base/clock.h"
#include "base/json.h"
#include "check/authentication.h"
#include "cmd/cmd.h"
#include "cmd/dns_wait.h"
#include "cmd/try_rules.h"
#include "daemon/smtpd.h"
#include "filter/rspamd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY                                                                              \
    "--ip IP [--helo NAME] [--from ADDRESS] [--rcpt ADDRESS] [--login LOGIN] [--tls] "   \
    "[--score N] [--json] "                                                              \
    "FILE|-"

enum { HELO_MAX = 255, PATH_MAX_LEN = 600, OUTPUT_MAX = 4 * 1024 * 1024 };

struct attempt {
    const char *ip, *helo, *from, *rcpt, *login, *score, *file;
    bool tls, json;
    struct config *config;
    struct ip address;
    struct buf message; /* with CRLF */
    struct dns_wait *dns;
    struct crypto *crypto;
    struct verify *verify;
    struct check_auth authenticated;
    struct inspect *inspect;
    struct message_head head;
    struct line_scan lines;
    struct try_rules rules;
    struct rspamd_report rspamd; /* --score: as if it had said so */
    struct smtp_envelope envelope;
    struct smtp_recipient recipient;
    char sender_text[PATH_MAX_LEN], rcpt_text[PATH_MAX_LEN];
    struct buf out;
    bool any;             /* a check was told: for the commas of JSON */
    enum reply_id answer; /* the first refusal */
    struct buf reply;
};

static const char *parse(int argc, char **argv, struct attempt *a)
{
    const struct {
        const char *name;
        const char **to;
    } values[] = {{"--ip", &a->ip},     {"--helo", &a->helo},   {"--from", &a->from},
                  {"--rcpt", &a->rcpt}, {"--login", &a->login}, {"--score", &a->score}};
    for (int i = 1; i < argc; i++) {
        const char **to = NULL;
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            to = strcmp(argv[i], values[v].name) == 0 ? values[v].to : to;
        }
        if (to != NULL && i + 1 < argc) {
            *to = argv[++i];
        } else if (strcmp(argv[i], "--tls") == 0) {
            a->tls = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            a->json = true;
        } else if (a->file == NULL && (argv[i][0] != '-' || argv[i][1] == '\0')) {
            a->file = argv[i];
        } else {
            static char wrong[200];
            (void)snprintf(wrong, sizeof wrong, "%s '%.100s'",
                           to != NULL          ? "a value is missing after"
                           : argv[i][0] == '-' ? "there is no option"
                                               : "one message at a time, not also",
                           argv[i]);
            return wrong;
        }
    }
    if (a->ip == NULL || !ip_parse(slice_of(a->ip), &a->address)) {
        return a->ip == NULL ? "from which address? Give --ip"
                             : "--ip wants an address such as 192.0.2.1 or 2001:db8::1";
    }
    if (a->score != NULL) {
        char *end = NULL;
        a->rspamd.state = FILTER_ANSWERED;
        a->rspamd.verdict.score = strtod(a->score, &end);
        if (end == a->score || *end != '\0') {
            return "--score wants a number";
        }
    }
    return a->file == NULL ? "which message? FILE, or - for standard input" : NULL;
}

/* "ann@example.org", with or without brackets; text keeps what the path borrows. */
static const char *take_path(const char *address, bool null_ok, char text[PATH_MAX_LEN],
                             struct smtp_path *out)
{
    size_t len = strlen(address);
    bool brackets = len > 0 && address[0] == '<';
    if (len > PATH_MAX_LEN - 3) {
        return "an address is too long";
    }
    (void)snprintf(text, PATH_MAX_LEN, brackets ? "%s" : "<%s>", address);
    return smtp_path_take(slice_of(text), null_ok, !null_ok, out);
}

/* --- the message --- */

/* Lines of a file may end in LF alone. */
static bool read_message(struct attempt *a)
{
    bool standard = strcmp(a->file, "-") == 0;
    FILE *f = standard ? stdin : fopen(a->file, "rb");
    if (f == NULL) {
        (void)fprintf(stderr, "postern: %s: %s\n", a->file, strerror(errno));
        return false;
    }
    int last = 0;
    for (int c = getc(f); c != EOF; last = c, c = getc(f)) {
        if (c == '\n' && last != '\r') {
            (void)buf_add_byte(&a->message, '\r');
        }
        (void)buf_add_byte(&a->message, (unsigned char)c);
    }
    bool ok = ferror(f) == 0 && !a->message.failed;
    if (!ok) {
        (void)fprintf(stderr, "postern: %s: it cannot be read, or is too large\n",
                      a->file);
    }
    if (!standard) {
        (void)fclose(f);
    }
    return ok;
}

static bool begin_verify(struct attempt *a)
{
    const struct config *cfg = a->config;
    if (a->login != NULL || netset_has(&cfg->checks_local_networks, &a->address)) {
        return true;
    }
    struct verify_options o = {.crypto = a->crypto,
                               .ip = a->address,
                               .helo = slice_of(a->helo),
                               .mail_from = a->envelope.sender.mailbox,
                               .receiver = slice_of(cfg->hostname),
                               .now_s = clock_wall_ms() / 1000,
                               .sealers = cfg->checks_trusted_sealers.item,
                               .sealer_n = cfg->checks_trusted_sealers.n};
    a->verify = verify_new(&o);
    return a->verify != NULL;
}

/* As smtpd sees it pass by. */
static bool look_at_message(struct attempt *a)
{
    struct slice rest = buf_slice(&a->message);
    struct slice held = SLICE("");
    struct inspect_settings settings = smtpd_inspect_settings(a->config);
    message_head_init(&a->head, (struct head_limits){
                                    .octets = a->config->limits_header_size,
                                    .fields = (unsigned)a->config->limits_header_fields});
    line_scan_feed(&a->lines, rest);
    message_head_feed(&a->head, &rest, &held);
    a->inspect = inspect_prepare() ? inspect_new(&settings) : NULL;
    if (a->inspect != NULL) {
        inspect_keep(a->inspect, INSPECT_KEEP_TEXT | INSPECT_KEEP_SIZES);
    }
    bool ok = message_head_end(&a->head) && a->inspect != NULL &&
              inspect_feed(a->inspect, buf_slice(&a->message)) && inspect_end(a->inspect);
    if (ok && a->verify != NULL && !a->head.over) {
        ok = verify_header(a->verify, buf_slice(&a->head.octets));
        if (ok) {
            verify_body(a->verify, held);
            verify_body(a->verify, rest);
            verify_body_end(a->verify);
        }
    }
    return ok;
}

/* --- verdicts --- */

static const char *verdict_word(const struct check_verdict *v)
{
    enum reply_id id = v->reply != REPLY_NONE ? v->reply : v->observed;
    if (id == REPLY_NONE) {
        return "pass";
    }
    return v->reply == REPLY_NONE ? (v->mode == CHECK_LADDER ? "spare" : "observe")
           : reply_row(id)->code[0] >= 500 ? "reject"
                                           : "defer";
}

static void print_evidence(struct attempt *a, const struct fields *f)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (a->json) {
            (void)buf_add_str(&a->out, i == 0 ? "" : ",");
            (void)json_add_string(&a->out, slice_of(f->item[i].name));
            (void)buf_add_str(&a->out, ":");
            (void)json_add_string(&a->out, f->item[i].value);
        } else {
            (void)buf_add_fmt(&a->out, " %s=", f->item[i].name);
            (void)buf_add_shown(&a->out, f->item[i].value);
        }
    }
}

static void told(void *arg, const struct check *c, const struct check_verdict *v)
{
    struct attempt *a = arg;
    enum reply_id id = v->reply != REPLY_NONE ? v->reply : v->observed;
    const char *row = id == REPLY_NONE ? "" : reply_row(id)->id;
    if (c->run == check_authentication && a->verify != NULL) {
        authentication_domains(a->verify, &a->authenticated);
    }
    if (a->json) {
        (void)buf_add_fmt(&a->out,
                          "%s{\"check\":\"%s\",\"verdict\":\"%s\",\"row\":\"%s\"",
                          a->any ? "," : "", c->name, verdict_word(v), row);
        (void)buf_add_str(&a->out, ",\"evidence\":{");
        print_evidence(a, &v->evidence);
        (void)buf_add_str(&a->out, "}}");
    } else {
        (void)buf_add_fmt(&a->out, "%-8s %s%s%s%s", verdict_word(v), c->name,
                          id == REPLY_NONE ? "" : " (", row, id == REPLY_NONE ? "" : ")");
        print_evidence(a, &v->evidence);
        (void)buf_add_byte(&a->out, '\n');
    }
    a->any = true;
    if (v->reply != REPLY_NONE && a->answer == REPLY_NONE) {
        a->answer = v->reply;
        (void)reply_render(&a->reply, v->reply,
                           (enum reply_profile)a->config->reply_profile, &v->evidence, 0,
                           SLICE(""));
    }
}

/* Goes on behind what refuses: all are to be told. */
static void run_stage(struct attempt *a, enum check_stage stage, struct check_facts *f)
{
    struct check_verdict v;
    unsigned at = 0;
    for (;;) {
        check_prepare(f);
        switch (check_run(stage, &at, f, &v, told, a)) {
        case CHECK_PASSED:
            return;
        case CHECK_REFUSED:
            at++;
            break;
        case CHECK_WAITS:
            dns_wait_news(a->dns);
            break;
        }
    }
}

static void run_checks(struct attempt *a)
{
    static const struct check_gathered gathered;
    const struct dns_source *dns = dns_wait_source(a->dns);
    struct check_facts f = {.config = a->config,
                            .service = a->login == NULL ? SERVICE_MX : SERVICE_SUBMISSION,
                            .login = slice_of(a->login == NULL ? "" : a->login),
                            .ip = slice_of(a->ip),
                            .helo = slice_of(a->helo),
                            .address = &a->address,
                            .tls = a->tls,
                            .spool = SPOOL_READY,
                            .now_ms = clock_wall_ms(),
                            .dns_session = dns,
                            .dns = dns,
                            .verify = a->verify,
                            .envelope = &a->envelope,
                            .gathered = &gathered};
    if (a->login != NULL) {
        try_rules_mail(&a->rules, &f);
    }
    run_stage(a, CHECK_MAIL, &f);
    f.rcpt = &a->recipient.path;
    if (try_rules_rcpt(&a->rules, &f)) {
        run_stage(a, CHECK_RCPT, &f);
    }
    f.head = &a->head;
    f.lines = &a->lines;
    f.content = inspect_report(a->inspect);
    f.size = a->message.len;
    f.auth = a->verify == NULL ? NULL : &a->authenticated;
    f.rspamd = a->score == NULL ? NULL : &a->rspamd;
    try_rules_facts(&a->rules, &f);
    run_stage(a, CHECK_MESSAGE, &f);
}

static void print_results(struct attempt *a)
{
    struct buf field;
    buf_init(&field, OUTPUT_MAX);
    if (a->verify != NULL) {
        struct ptr ptr;
        bool named = ptr_check(dns_wait_source(a->dns), &a->address, &ptr);
        (void)verify_write_results(a->verify, named ? &ptr : NULL, false, &field);
        (void)verify_write_spf(a->verify, &field);
    }
    struct slice answer = a->answer == REPLY_NONE ? SLICE("") : buf_slice(&a->reply);
    if (a->json) {
        (void)buf_add_fmt(&a->out, "],\"accepted\":%s,\"row\":\"%s\",\"reply\":",
                          a->answer == REPLY_NONE ? "true" : "false",
                          a->answer == REPLY_NONE ? "" : reply_row(a->answer)->id);
        (void)json_add_string(&a->out, answer);
        (void)buf_add_str(&a->out, ",\"fields\":");
        (void)json_add_string(&a->out, buf_slice(&field));
        (void)buf_add_str(&a->out, "}\n");
    } else {
        for (size_t i = 0; i < field.len; i++) {
            if (field.ptr[i] != '\r') {
                (void)buf_add_byte(&a->out, field.ptr[i]);
            }
        }
        (void)buf_add_str(&a->out, a->answer == REPLY_NONE ? "would be accepted\n"
                                                           : "would be refused: ");
        (void)buf_add(&a->out, slice_strip(answer));
        (void)buf_add_str(&a->out, a->answer == REPLY_NONE ? "" : "\n");
    }
    (void)fwrite(a->out.ptr, 1, a->out.len, stdout);
    buf_clear(&field);
}

static int run(struct attempt *a)
{
    buf_init(&a->message, (size_t)a->config->limits_message_size);
    buf_init(&a->out, OUTPUT_MAX);
    buf_init(&a->reply, OUTPUT_MAX);
    a->crypto = crypto_new(1);
    a->dns = dns_wait_new(a->config);
    if (a->crypto == NULL || a->dns == NULL || !read_message(a) || !begin_verify(a) ||
        !look_at_message(a)) {
        return EXIT_SYSTEM;
    }
    struct try_sender sender = {a->login, a->helo, &a->address, &a->envelope.sender};
    if (!try_rules_load(&a->rules, a->config, &a->recipient.path, &sender)) {
        return EXIT_SYSTEM;
    }
    (void)buf_add_str(&a->out, a->json ? "{\"checks\":[" : "");
    run_checks(a);
    print_results(a);
    return a->answer == REPLY_NONE ? EXIT_OK : EXIT_NO;
}

int cmd_try(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct attempt a = {
        .helo = "unknown.invalid", .from = "", .rcpt = "postmaster"};
    const char *wrong = parse(argc, argv, &a);
    if (wrong == NULL) {
        wrong = take_path(a.from, true, a.sender_text, &a.envelope.sender);
    }
    if (wrong == NULL) {
        wrong = take_path(a.rcpt, false, a.rcpt_text, &a.recipient.path);
    }
    if (wrong != NULL) {
        return cmd_usage("try", wrong, SAY);
    }
    a.envelope.first = a.envelope.last = &a.recipient;
    a.envelope.recipient_n = 1;
    a.config = cmd_config(ctx);
    if (a.config == NULL) {
        return EXIT_CONFIG;
    }
    int status = run(&a);
    try_rules_clear(&a.rules);
    verify_free(&a.verify);
    inspect_free(&a.inspect);
    message_head_clear(&a.head);
    dns_wait_free(&a.dns);
    crypto_free(&a.crypto);
    buf_clear(&a.message);
    buf_clear(&a.out);
    buf_clear(&a.reply);
    config_free(&a.config);
    return status;
}
