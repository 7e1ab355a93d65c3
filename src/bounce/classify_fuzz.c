/* Any text, code and context: the same verdict twice, the span and all offsets inside the text,
 * a 4yz never hard, and the normal form is one already (but for what depends on masks). */
#include "bounce/normal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_normal(struct slice text, unsigned code)
{
    static struct bounce_normal n;
    bounce_normalize(text, code, &n);
    need(n.main_len < n.len && n.len <= BOUNCE_NORMAL_MAX && n.text[n.main_len] == '\n');
    size_t limit = text.len < BOUNCE_TEXT_MAX ? text.len : BOUNCE_TEXT_MAX;
    for (size_t i = 0; i < n.len; i++) {
        need(n.at[i] <= limit);
    }
    for (size_t i = 0; i < n.main_len; i++) {
        need(n.text[i] != '\n' && !(n.text[i] >= 'A' && n.text[i] <= 'Z'));
        need(i == 0 || n.text[i] != ' ' || n.text[i - 1] != ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bounce_classifier *c;
    struct bounce_verdict a, b;
    if (c == NULL) {
        c = bounce_classifier_new();
        need(c != NULL);
    }
    if (size < 3) {
        return 0;
    }
    struct bounce_reply reply = {.code = data[0] % 4 == 0 ? 0 : 200U + data[0] * 2U,
                                 .text = {data + 3, size - 3}};
    struct bounce_context context = {.stage = (enum bounce_stage)(data[1] % 10),
                                     .mx_host = slice_sub(reply.text, 0, data[2] % 32U)};
    check_normal(reply.text, reply.code);
    bounce_classify(c, &reply, &context, &a);
    bounce_classifier_without(c, BOUNCE_RULES_N); /* nothing remembered */
    bounce_classify(c, &reply, &context, &b);
    bounce_classifier_without(c, BOUNCE_RULE_NONE);
    need(a.klass == b.klass && a.kind == b.kind && a.rule == b.rule && a.code == b.code &&
         a.span_off == b.span_off && a.span_len == b.span_len && a.action == b.action &&
         a.retry_after_s == b.retry_after_s && a.confidence == b.confidence);
    need(a.span_off + a.span_len <= reply.text.len);
    need(a.code / 100 != 4 || a.kind != BOUNCE_HARD);
    need(a.klass < BOUNCE_CLASSES_N && a.confidence <= 100);
    return 0;
}
