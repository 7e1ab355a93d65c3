/* delivery/judge.c - see judge.h */
#include "delivery/judge.h"

/* By the class's action. For good: what the digit 5 makes of a soft class. */
static const struct {
    enum job_advice advice;
    enum judge_site site;
} actions[] = {
    [BOUNCE_ACT_NOTHING] = {JOB_usual, JUDGE_SITE_FINE},
    [BOUNCE_ACT_RETRY] = {JOB_usual, JUDGE_SITE_FINE},
    [BOUNCE_ACT_RETRY_LATER] = {JOB_later, JUDGE_SITE_FINE},
    [BOUNCE_ACT_SLOW_DOWN] = {JOB_slow, JUDGE_SITE_SLOWER},
    [BOUNCE_ACT_PAUSE_SENDER] = {JOB_pause_sender, JUDGE_SITE_FINE},
    [BOUNCE_ACT_PAUSE_SITE] = {JOB_slow, JUDGE_SITE_STOP},
    [BOUNCE_ACT_SPLIT] = {JOB_split, JUDGE_SITE_FINE},
    [BOUNCE_ACT_SUPPRESS] = {JOB_usual, JUDGE_SITE_FINE},
    [BOUNCE_ACT_GIVE_UP] = {JOB_usual, JUDGE_SITE_FINE},
    [BOUNCE_ACT_UNSUBSCRIBE] = {JOB_usual, JUDGE_SITE_FINE},
};

enum judge_site judge(struct bounce_classifier *c, enum bounce_stage stage,
                      struct slice host, struct outcome *o)
{
    struct bounce_verdict v;
    struct bounce_reply reply = {.code = o->code, .text = {o->reply, o->reply_len}};
    struct bounce_context context = {.stage = stage, .mx_host = host};
    if (o->result == JOB_DELIVERED) {
        return JUDGE_SITE_FINE;
    }
    bounce_classify(c, &reply, &context, &v);
    o->klass = (uint8_t)(v.klass + 1);
    o->wait_s = v.retry_after_s;
    o->advice = actions[v.action].advice;
    if (v.klass == BOUNCE_GREYLISTED && o->wait_s == 0) {
        o->wait_s = JUDGE_GREY_S;
    }
    if (o->result == JOB_FAILED && v.kind == BOUNCE_HARD) {
        o->advice = JOB_suppress;
    } else if (o->result == JOB_FAILED && v.kind == BOUNCE_SOFT) {
        o->advice = o->advice == JOB_usual ? JOB_later : o->advice;
    } else if (o->result == JOB_FAILED) {
        o->advice =
            JOB_usual; /* a block: this message is over, whatever the site needs */
    }
    if (o->advice == JOB_usual && o->result == JOB_DEFERRED &&
        v.klass == BOUNCE_GREYLISTED) {
        o->advice = JOB_same_source;
    }
    return actions[v.action].site;
}
