/* cmd/complaint.c - postern complaint: somebody says of a message that it was junk, or that it was not. For stores
 * behind LMTP (a script of Dovecot's imapsieve pipes the message in) and for feedback reports (RFC 5965), whose
 * original is taken out here. The directory role judges (check/complaint.h).
 * postern complaint rates: how much of what push accounts sent was complained of; the queue role knows.
 *
 * Input   a message, or its header section alone; of a report the first part message/rfc822 or
 *         text/rfc822-headers. */
#include "base/base64.h"
#include "bounce/feedback.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY                                                                              \
    "--mailbox ADDRESS [--wanted] [FILE|-], or postern complaint rates [ACCOUNT] "       \
    "[--json]"

enum { INPUT_MAX = 64 * 1024 * 1024, HEADER_MAX = 32 * 1024, NOBODY_LISTENS = -1 };

static bool read_input(const char *file, struct buf *out)
{
    bool standard = file == NULL || strcmp(file, "-") == 0;
    FILE *f = standard ? stdin : fopen(file, "rb");
    size_t n = f == NULL ? 0 : 1;
    while (n > 0 && !out->failed) {
        unsigned char part[8192];
        n = fread(part, 1, sizeof part, f);
        (void)buf_add(out, (struct slice){part, n});
    }
    bool ok = f != NULL && ferror(f) == 0 && !out->failed;
    if (!ok) {
        (void)fprintf(stderr, "postern: %s: %s\n", standard ? "standard input" : file,
                      out->failed ? "is too large" : strerror(errno));
    }
    if (f != NULL && !standard) {
        (void)fclose(f);
    }
    return ok;
}

/* Of a report, that of the message that it is about; store: where it was decoded to. */
static struct slice header_of(struct slice message, struct buf *store)
{
    static struct mime_message m;
    struct slice header;
    return feedback_original(message, &m, store, &header) ? header : message;
}

static int ask(struct cmd_ctx *ctx, const char *mailbox, bool wanted, struct slice header)
{
    struct config *cfg = cmd_config(ctx);
    struct buf coded;
    int status = cfg == NULL ? EXIT_CONFIG : EXIT_SYSTEM;
    buf_init(&coded, (size_t)2 * HEADER_MAX);
    (void)base64_encode(&coded, slice_sub(header, 0, HEADER_MAX));
    json_t *request = json_pack("{s:s,s:s,s:s,s:b,s:s%}", "object", "complaint", "action",
                                "report", "mailbox", mailbox, "wanted", (int)wanted,
                                "header", (const char *)coded.ptr, coded.len);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    if (text == NULL) {
        (void)fputs("postern: the address is not UTF-8, or memory is short\n", stderr);
        status = cfg == NULL ? EXIT_CONFIG : EXIT_USAGE;
    } else if (cfg != NULL) {
        status = cmd_ask(cfg, "directory", text, NULL, NULL);
    }
    if (status == NOBODY_LISTENS) {
        (void)fputs("postern: no server runs here: the counts are in its memory\n",
                    stderr);
        status = EXIT_SYSTEM;
    }
    free(text);
    json_decref(request);
    buf_clear(&coded);
    config_free(&cfg);
    return status;
}

/* --- rates --- */

static void on_rate(void *arg, const char *text)
{
    const bool *json = arg;
    const char *account = "";
    json_int_t sent = 0, complained = 0, days = 0;
    if (*json) {
        (void)puts(text);
        return;
    }
    json_t *line = json_loads(text, 0, NULL);
    if (json_unpack(line, "{s:s,s:I,s:I,s:I}", "account", &account, "sent", &sent,
                    "complained", &complained, "days", &days) == 0) {
        (void)printf("%s  %lld complaints of %lld delivered in %lld days (%.2f %%)\n",
                     account, (long long)complained, (long long)sent, (long long)days,
                     sent == 0 ? 0.0 : (double)complained * 100 / (double)sent);
    }
    json_decref(line);
}

static int rates(struct cmd_ctx *ctx, int argc, char **argv)
{
    const char *account = NULL;
    bool json = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (argv[i][0] != '-' && account == NULL) {
            account = argv[i];
        } else {
            return cmd_usage("complaint", "rates takes an account, or none, and --json",
                             SAY);
        }
    }
    json_t *request = json_pack("{s:s,s:s*}", "complaints", "rates", "account", account);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL) {
        return cmd_usage("complaint", "the account is not UTF-8", SAY);
    }
    struct config *cfg = cmd_config(ctx);
    int status = cfg == NULL ? EXIT_CONFIG : cmd_ask(cfg, "queue", text, on_rate, &json);
    if (status == NOBODY_LISTENS) {
        (void)fputs("postern: no server runs here\n", stderr);
        status = EXIT_SYSTEM;
    }
    free(text);
    config_free(&cfg);
    return status;
}

int cmd_complaint(struct cmd_ctx *ctx, int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "rates") == 0) {
        return rates(ctx, argc, argv);
    }
    const char *mailbox = NULL, *file = NULL, *wrong = NULL;
    bool wanted = false;
    for (int i = 1; i < argc && wrong == NULL; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)puts("usage: postern complaint " SAY);
            return EXIT_OK;
        }
        if (strcmp(argv[i], "--mailbox") == 0 && i + 1 < argc) {
            mailbox = argv[++i];
        } else if (strcmp(argv[i], "--wanted") == 0) {
            wanted = true;
        } else if (file == NULL && (argv[i][0] != '-' || argv[i][1] == '\0')) {
            file = argv[i];
        } else {
            wrong = "an unknown option, one without its value, or a second file";
        }
    }
    if (wrong == NULL && (mailbox == NULL || mailbox[0] == '\0')) {
        wrong = "who complains? --mailbox wants an address";
    }
    if (wrong != NULL) {
        return cmd_usage("complaint", wrong, SAY);
    }
    struct buf message, store;
    buf_init(&message, INPUT_MAX);
    buf_init(&store, INPUT_MAX);
    int status = read_input(file, &message) ? EXIT_OK : EXIT_SYSTEM;
    if (status == EXIT_OK) {
        struct slice header = header_of(buf_slice(&message), &store);
        if (header.len == 0) {
            (void)fputs("postern: there is no message in it to complain about\n", stderr);
        }
        status = header.len == 0 ? EXIT_NO : ask(ctx, mailbox, wanted, header);
    }
    buf_clear(&message);
    buf_clear(&store);
    return status;
}
