/* tests/header_look.c - what the header checks say of mails in files: a line "FILE<TAB>row<TAB>
 * evidence" for each refusal, all checks asked, with default settings, as of mail to mx. -r: the
 * reverse-path is null, as of a report. Line ends become CRLF; a first line "From ..." of an mbox
 * is skipped. */
#include "check/check.h"
#include "config/setting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    void (*run)(const struct check_facts *f, struct check_verdict *out);
} looks[] = {
    {"header-size", check_header_size},
    {"hops", check_hops},
    {"message-form", check_message_form},
    {"header-name", check_header_name},
    {"header-subject", check_header_subject},
    {"header-value", check_header_value},
    {"header-from", check_header_from},
    {"header-message-id", check_header_message_id},
    {"header-once", check_header_once},
    {"header-unicode", check_header_unicode},
    {"header-encoded-word", check_header_encoded_word},
    {"header-grammar", check_header_grammar},
};

static bool read_file(const char *path, struct buf *out)
{
    struct buf text;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    buf_init(&text, 64 * 1024 * 1024);
    unsigned char *room;
    size_t n = 1;
    while (n > 0 && (room = buf_room(&text, 65536)) != NULL) {
        n = fread(room, 1, 65536, f);
        buf_grew(&text, n);
    }
    fclose(f);
    struct slice rest = buf_slice(&text);
    struct slice line;
    for (bool first = true; slice_line(&rest, &line); first = false) {
        bool mbox = first && slice_starts(line, SLICE("From ")) &&
                    !slice_starts(slice_trim(slice_from(line, 5)), SLICE(":"));
        if (!mbox) {
            (void)buf_add(out, line);
            (void)buf_add_str(out, "\r\n");
        }
    }
    buf_clear(&text);
    return !out->failed;
}

static void print(const char *path, const struct check_verdict *v)
{
    struct buf text;
    const char *base = strrchr(path, '/');
    buf_init(&text, 65536);
    for (unsigned i = 0; i < v->evidence.n; i++) {
        (void)buf_add_fmt(&text, "%s%s=", i > 0 ? " " : "", v->evidence.item[i].name);
        (void)buf_add_escaped(&text, slice_sub(v->evidence.item[i].value, 0, 200));
    }
    printf("%s\t%s\t%.*s\n", base == NULL ? path : base + 1, reply_row(v->reply)->id,
           (int)text.len, (const char *)text.ptr);
    buf_clear(&text);
}

static void look_at(const char *path, struct slice in, const struct config *config,
                    const struct smtp_envelope *envelope)
{
    struct message_head head;
    struct line_scan lines = {0};
    struct slice held;
    line_scan_feed(&lines, in);
    message_head_init(&head,
                      (struct head_limits){config->limits_header_size,
                                           (unsigned)config->limits_header_fields});
    message_head_feed(&head, &in, &held);
    if (!message_head_end(&head)) {
        abort();
    }
    struct check_facts facts = {.config = config,
                                .service = SERVICE_MX,
                                .envelope = envelope,
                                .head = &head,
                                .lines = &lines};
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        struct check_verdict v = {.reply = REPLY_NONE};
        looks[i].run(&facts, &v);
        if (v.reply != REPLY_NONE) {
            print(path, &v);
        }
    }
    message_head_clear(&head);
}

int main(int argc, char **argv)
{
    static struct config config;
    struct smtp_envelope envelope = {.sender.mailbox = SLICE("ann@client.example")};
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (!setting_default(&settings[i], &config)) {
            return 1;
        }
    }
    int from = 1;
    if (argc > 1 && strcmp(argv[1], "-r") == 0) {
        envelope.sender.mailbox = SLICE("");
        from = 2;
    }
    for (int i = from; i < argc; i++) {
        struct buf text;
        buf_init(&text, 128 * 1024 * 1024);
        if (!read_file(argv[i], &text)) {
            perror(argv[i]);
            return 1;
        }
        look_at(argv[i], buf_slice(&text), &config, &envelope);
        buf_clear(&text);
    }
    for (unsigned i = 0; i < SETTING_N; i++) {
        setting_clear(&settings[i], &config);
    }
    return 0;
}
