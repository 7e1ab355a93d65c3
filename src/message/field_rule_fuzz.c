/* message/field_rule_fuzz.c - values of fields: a date that is one reads the same when it is folded at its blanks, and
 * when it is written as we write dates; octets above 127 are seen wherever they stand; a value is not
 * longer for people than it is.
 * The input: which kind of field, then its value. */
#include "base/buf.h"
#include "base/clock.h"
#include "message/date_time.h"
#include "message/field_rule.h"

#include <stdlib.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* At blanks that stand alone. */
static void fold(struct slice value, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        bool alone = value.ptr[i] == ' ' && i > 0 && i + 1 < value.len &&
                     value.ptr[i - 1] > ' ' && value.ptr[i + 1] > ' ';
        if (alone) {
            (void)buf_add_str(out, "\r\n");
        }
        (void)buf_add_byte(out, value.ptr[i]);
    }
}

static void check_date(struct slice value)
{
    enum { YEAR_10000 = 8000 };
    char text[CLOCK_MAIL_DATE_MAX];
    int64_t at = 0, again = 0;
    struct buf folded;
    const char *wrong = date_time_read(value, &at);
    require((wrong == NULL) == (field_fault(FIELD_DATE, value) == NULL));
    if (wrong != NULL) {
        return;
    }
    buf_init(&folded, value.len * 3 + 1);
    fold(value, &folded);
    require(date_time_read(buf_slice(&folded), &again) == NULL && again == at);
    buf_clear(&folded);
    if (at >= 0 && at < (int64_t)YEAR_10000 * 365 * 86400) {
        struct slice written = clock_mail_date((uint64_t)at * 1000, text);
        require(date_time_read(written, &again) == NULL && again == at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum field_kind kind =
        size == 0 ? FIELD_TEXT : (enum field_kind)(data[0] % FIELD_KINDS);
    struct slice value = slice_from((struct slice){data, size}, 1);
    bool high = false;
    for (size_t i = 0; i < value.len; i++) {
        high |= value.ptr[i] > 127;
    }
    require(high == (field_8bit(kind, value) != FIELD_ASCII));
    require(field_value_len(value) <= value.len);
    IGNORE(field_fault(kind, value)); /* that it ends is what is asked */
    IGNORE(field_encoded_word(kind, value));
    check_date(value);
    return 0;
}
