/* delivery/path.c - see path.h */
#include "delivery/path.h"

static bool sign_known(unsigned char c)
{
    return c == 'd' || c == 'u' || c == '%';
}

static bool rest_valid(struct slice rest)
{
    size_t start = 0;
    for (size_t i = 0; i <= rest.len; i++) {
        if (i == rest.len || rest.ptr[i] == '/') {
            struct slice one = slice_sub(rest, start, i - start);
            if (one.len == 0 || slice_starts(one, SLICE("..")) ||
                slice_eq(one, SLICE("."))) {
                return false;
            }
            start = i + 1;
        } else if (rest.ptr[i] == '%') {
            if (i + 1 == rest.len || !sign_known(rest.ptr[i + 1])) {
                return false;
            }
            i++;
        }
    }
    return true;
}

bool delivery_path_split(const char *setting, struct slice *root, struct slice *rest)
{
    struct slice all = slice_of(setting);
    if (all.len < 2 || all.ptr[0] != '/') {
        return false;
    }
    while (all.ptr[all.len - 1] == '/' && all.len > 1) {
        all.len--;
    }
    size_t sign = slice_find(all, '%');
    size_t slash = slice_rfind(slice_sub(all, 0, sign), '/');
    struct slice below = slice_from(all, slash + 1);
    if (below.len == 0 || !rest_valid(below)) {
        return false;
    }
    *root = slice_sub(all, 0, slash == 0 ? 1 : slash);
    *rest = below;
    return true;
}

bool delivery_path_user(struct slice address, unsigned char separator, struct slice *user,
                        struct slice *domain)
{
    size_t at = slice_rfind(address, '@');
    if (at == 0 || at + 1 >= address.len) {
        return false;
    }
    struct slice local = slice_sub(address, 0, at);
    if (separator != 0 && local.ptr[0] != '"') {
        size_t cut = 1 + slice_find(slice_from(local, 1), separator);
        local = slice_sub(local, 0, cut);
    }
    *user = local;
    *domain = slice_from(address, at + 1);
    return true;
}

static void add_component(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && i == 0)) {
            (void)buf_add_fmt(out, "%%%02X", (unsigned)c);
        } else {
            (void)buf_add_byte(out, c);
        }
    }
}

static bool components_fit(struct slice path)
{
    for (size_t start = 0; start <= path.len;) {
        size_t len = slice_find(slice_from(path, start), '/');
        if (len == 0 || len > PATH_COMPONENT_MAX) {
            return false;
        }
        start += len + 1;
    }
    return true;
}

bool delivery_path(struct slice rest, struct slice address, unsigned char separator,
                   struct buf *out)
{
    struct slice user, domain;
    size_t start = out->len;
    if (!delivery_path_user(address, separator, &user, &domain)) {
        return false;
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] != '%') {
            (void)buf_add_byte(out, rest.ptr[i]);
            continue;
        }
        i++; /* delivery_path_split() saw to it that a known sign follows */
        switch (rest.ptr[i]) {
        case 'd':
            add_component(out, domain);
            break;
        case 'u':
            add_component(out, user);
            break;
        default:
            (void)buf_add_byte(out, '%');
            break;
        }
    }
    return !out->failed && out->len - start <= DELIVERY_PATH_MAX &&
           components_fit(slice_from(buf_slice(out), start));
}
