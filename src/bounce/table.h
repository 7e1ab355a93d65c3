/* bounce/table.h - the catalogue of bounces as compiled: what gen-bounce-rules.py writes and
 * classify.c reads. Private to this folder. */
#ifndef BOUNCE_TABLE_H
#define BOUNCE_TABLE_H
#include "bounce/classify.h"

/* What is looked at for each reply; the texts stand apart (bounce_rule_infos). */
struct bounce_rule {
    struct {
        uint16_t value;
        uint8_t digits; /* how many of the code's count: 550 3, 55z 2, 5yz 1 */
    } code[4];          /* any of them */
    uint8_t code_n;
    struct {
        uint8_t klass; /* 0: any */
        uint16_t subject, low, high;
    } status;
    bool has_status;
    uint8_t klass, weight;
    uint16_t stages; /* bit set over enum bounce_stage; 0: any */
    enum bounce_provider provider;
    bool has_kind;
    enum bounce_kind kind; /* in place of the class's */
    enum bounce_subscope subscope;
    bool in_url; /* looked for in URLs and host names, not in the text */
};

/* Text that tells the provider or the stage, or that it may not be about the recipient. */
struct bounce_mark {
    enum bounce_provider provider;
    enum bounce_stage stage;
    bool host; /* a host name's end */
    bool doubt;
};

/* A time to wait for. */
struct bounce_retry {
    const char *id;
    uint32_t unit_s; /* 0: hh:mm:ss or mm:ss */
    uint32_t expect_s;
    const char *example;
};

/* Patterns are numbered: rules, then marks, then retry. A variant of one: where phrase.h says that
 * it may begin, its programs (offsets in bounce_programs) are run; but not where one of its conditions
 * (from 1 on; 0: none), other stretches of it, stands nowhere. */
enum { BOUNCE_CONDITIONS_MAX = 3 };
struct bounce_variant {
    uint16_t pattern;
    bool in_url; /* stands behind the text, among URLs and hosts */
    bool exact;  /* phrase.h says all, where it gives one end */
    uint16_t condition[BOUNCE_CONDITIONS_MAX];
    uint32_t back, fore;
};
extern const struct bounce_variant bounce_variant_table[BOUNCE_VARIANTS_N];
extern const uint32_t
    bounce_condition_programs[BOUNCE_CONDITIONS_N]; /* for the compiler */
extern const unsigned char bounce_programs[];
extern const size_t bounce_programs_len;

extern const struct bounce_class_info bounce_class_table[BOUNCE_CLASSES_N];
extern const char *const bounce_provider_names[BOUNCE_PROVIDERS_N];
extern const struct bounce_rule bounce_rule_table[BOUNCE_RULES_N];
extern const struct bounce_rule_info bounce_rule_infos[BOUNCE_RULES_N];
/* Rules without a pattern, by the subject of their status: from [subject] up to [subject + 1], in
 * the order of status.low; behind them those with a code or stage alone, which are listed for
 * each code: bounce_code_rules from [code] up to [code + 1]; the last row is of all other codes. */
enum { BOUNCE_SUBJECTS = 8, BOUNCE_CODE_MIN = 200, BOUNCE_CODES = 400 };
extern const uint16_t bounce_rules_of_subject[BOUNCE_SUBJECTS + 1];
extern const uint16_t bounce_rules_of_code[BOUNCE_CODES + 2], bounce_code_rules[];
extern const struct bounce_mark bounce_mark_table[BOUNCE_MARKS_N];
extern const struct bounce_retry bounce_retry_table[BOUNCE_RETRY_N];
#endif
