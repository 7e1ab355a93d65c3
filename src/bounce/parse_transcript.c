/* bounce/parse_transcript.c - sendmail's transcripts of sessions; see parse_impl.h
 *
 *     >>> RCPT TO:<a@b.example>           what was sent
 *     <<< 550 5.1.1 no such user          what was answered
 *     550 5.1.1 <a@b.example>... No       what it means for whom
 *
 * Answers to other commands hold for the recipients whose lines follow. */
#include "bounce/parse_impl.h"
#include "bounce/reply_find.h"

struct transcript {
    struct slice own;    /* the line that names the recipient */
    struct slice answer; /* to its RCPT, or to the last command before its line */
    struct slice host;   /* with whom it was talked about the recipient */
    enum bounce_stage stage;
};

static void read_transcript(struct slice notice, struct slice address,
                            struct transcript *t)
{
    struct slice rest = notice, line, answer = {0}, host = {0};
    enum bounce_stage stage = BOUNCE_STAGE_UNKNOWN;
    bool mine = false;     /* the command names the recipient */
    bool answered = false; /* behind the line that ended an answer */
    *t = (struct transcript){0};
    while (slice_line(&rest, &line)) {
        struct slice s = slice_strip(line);
        bool goes_on = slice_starts(s, SLICE("<<< "));
        answer = goes_on || !answered ? answer : (struct slice){0};
        if (slice_starts(s, SLICE(">>> "))) {
            stage = bounce_find_stage(s);
            mine = stage == BOUNCE_STAGE_RCPT && slice_isearch(s, address) < s.len;
            answer = (struct slice){0};
        } else if (goes_on) {
            answered = false;
            mine = mine || slice_isearch(s, address) < s.len;
            struct slice from = answer.len > 0 ? answer : s;
            answer = (struct slice){from.ptr, (size_t)(s.ptr + s.len - from.ptr)};
            bool open = t->answer.len == 0 && t->own.len == 0;
            if (mine || open || t->answer.ptr == answer.ptr) {
                t->answer = answer;
                t->stage = stage;
                t->host = host;
            }
        } else if (s.len > 4 && text_is_code(slice_sub(s, 0, 3)) &&
                   slice_isearch(s, address) < s.len && t->own.len == 0) {
            t->own = s;
            t->host = t->answer.len == 0 || (answer.len > 0 && !mine) ? host : t->host;
            if (answer.len > 0 && !mine) {
                t->answer = answer;
                t->stage = stage;
            }
            if (answer.len == 0 && !mine) {
                t->answer = (struct slice){0};
            }
            answered = true;
        } else if (s.len > 4 && text_is_code(slice_sub(s, 0, 3)) &&
                   slice_find(s, '@') < s.len) {
            answered = true; /* that was another's */
        } else if (slice_starts(s, SLICE("... while talking to")) ||
                   slice_starts(s, SLICE("While talking to"))) {
            answer = (struct slice){0};
            host = bounce_find_host(s);
        }
    }
}

/* "<<< 550-one" / "<<< 550 two": without the arrows. */
static struct slice without_arrows(struct bounce_parser *p, struct slice s)
{
    struct buf out;
    struct slice line;
    if (!slice_starts(s, SLICE("<<<"))) {
        return s;
    }
    buf_init(&out, s.len + 1);
    while (slice_line(&s, &line)) {
        (void)buf_add(&out, slice_strip(slice_from(slice_strip(line), 3)));
        (void)buf_add_byte(&out, '\n');
    }
    struct slice kept = parse_keep(p, buf_slice(&out));
    buf_clear(&out);
    return kept;
}

bool transcript_fill(struct bounce_parser *p, struct slice notice,
                     struct bounce_recipient *r)
{
    struct transcript t;
    if (!p->transcript_known || p->transcript_of.ptr != notice.ptr ||
        p->transcript_of.len != notice.len) {
        p->transcript_of = notice;
        p->transcript_known = true;
        p->has_transcript =
            slice_search(notice, SLICE("<<< ")) < notice.len ||
            slice_search(notice, SLICE("Transcript of session")) < notice.len;
    }
    if (!p->has_transcript) {
        return false;
    }
    read_transcript(notice, r->address, &t);
    struct slice said = t.answer.len > 0 ? t.answer : t.own;
    if (said.len == 0) { /* a line of its own that names nobody */
        static const struct slice title = SLICE_INIT("Transcript of session follows");
        said = slice_from(notice, slice_search(notice, title) + title.len);
        while (said.len > 0 && text_is_rule(said.ptr[0])) {
            said = slice_from(said, 1);
        }
        if (p->mail.rcpt_n > 1 || said.len == 0) {
            return false;
        }
    }
    r->stage = t.answer.len > 0 ? t.stage : r->stage;
    if (r->remote_host.len == 0) {
        r->remote_host = t.host;
    }
    struct bounce_status before = r->status;
    text_fill(p, without_arrows(p, said), r);
    if (before.klass == 5 && r->code / 100 == 4) {
        r->status = before;
    }
    return r->code != 0;
}
