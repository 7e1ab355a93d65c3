/* directory/settings_fuzz.c - property: what reads as settings can be asked anything; what
 * reads as typed text is taken again as it is kept, and encodes to settings that read. */
#include "directory/settings.h"

#include <string.h>

static void ask(struct slice encoded)
{
    struct dir_settings s;
    struct ip ip = {{0}};
    if (dir_settings_read(encoded, &s) && !s.any &&
        (!dir_settings_allow(&s, &ip) || dir_settings_want_tls(&s, SLICE("a.test")))) {
        __builtin_trap();
    }
    if (dir_settings_read(encoded, &s)) {
        IGNORE(dir_settings_allow(&s, &ip)); /* only that it ends within its bounds */
        IGNORE(dir_settings_want_tls(&s, SLICE("a.test")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[8192], kept[DIR_SETTING_TEXT_MAX], again[DIR_SETTING_TEXT_MAX];
    struct slice in = {data, size};
    const char *value[DIR_SETTING_COUNT] = {NULL};
    struct dir_settings s;
    struct buf b;
    ask(in);
    if (size < 2 || !slice_cstr(slice_from(in, 1), text, sizeof text)) {
        return 0;
    }
    enum dir_setting which = (enum dir_setting)(data[0] % DIR_SETTING_COUNT);
    if (dir_setting_read(which, text, kept) != NULL) {
        return 0;
    }
    /* A size is kept as octets, which read back; all others are their own form too. */
    if (kept[0] != '\0' &&
        (dir_setting_read(which, kept, again) != NULL || strcmp(kept, again) != 0)) {
        __builtin_trap();
    }
    value[which] = kept[0] == '\0' ? NULL : kept;
    buf_init(&b, DIR_SETTINGS_MAX);
    dir_settings_encode(&b, value);
    if (b.failed || !dir_settings_read(buf_slice(&b), &s) || s.any != (kept[0] != '\0')) {
        __builtin_trap();
    }
    ask(buf_slice(&b));
    buf_clear(&b);
    return 0;
}
