/* directory/password.c - see password.h */
#include "directory/password.h"

#include "base/log.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>
#include <sys/random.h>

_Static_assert(DIR_HASH_MAX >= CRYPT_OUTPUT_SIZE, "a hash must fit");
_Static_assert(DIR_PASSWORD_MAX <= CRYPT_MAX_PASSPHRASE_SIZE,
               "what we take, libxcrypt takes");

/* struct crypt_data is 32 KiB: too large for a stack. */
static bool hash_with(const char *password, const char *setting, char out[DIR_HASH_MAX])
{
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *hash = NULL;
    size_t len = strlen(password);
    if (data != NULL && len > 0 && len < DIR_PASSWORD_MAX) {
        hash = crypt_rn(password, setting, data, (int)sizeof *data);
    }
    bool ok = hash != NULL && slice_cstr(slice_of(hash), out, DIR_HASH_MAX);
    if (data != NULL) {
        explicit_bzero(data, sizeof *data);
        free(data);
    }
    return ok;
}

bool dir_password_prepare(char password[DIR_PASSWORD_MAX], bool stored)
{
    char prepared[DIR_PASSWORD_MAX];
    bool plain = true;
    for (const char *p = password; *p != '\0'; p++) {
        plain = plain && *p >= ' ' && *p <= '~';
    }
    if (plain) {
        return password[0] != '\0';
    }
    memcpy(prepared, password, strlen(password) + 1);
    bool ok = stringprep(prepared, sizeof prepared, stored ? STRINGPREP_NO_UNASSIGNED : 0,
                         stringprep_saslprep) == STRINGPREP_OK &&
              prepared[0] != '\0';
    if (ok) {
        memcpy(password, prepared, strlen(prepared) + 1);
    }
    explicit_bzero(prepared, sizeof prepared);
    return ok;
}

bool dir_password_hash(const char *password, char out[DIR_HASH_MAX])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    return crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof setting) != NULL &&
           hash_with(password, setting, out);
}

bool dir_password_check(const char *hash, const char *password)
{
    char again[DIR_HASH_MAX];
    bool same = dir_password_hash_ok(hash) && hash_with(password, hash, again) &&
                strlen(again) == strlen(hash) &&
                CRYPTO_memcmp(again, hash, strlen(hash)) == 0;
    explicit_bzero(again, sizeof again);
    return same;
}

/* $y$parameters$salt$hash, the hash in 43 signs of crypt's base 64. */
bool dir_password_hash_ok(const char *hash)
{
    enum { HASH_LEN = 43 };
    struct slice s = slice_of(hash);
    size_t last = slice_rfind(s, '$');
    struct slice salt = slice_from(s, 3);
    if (!slice_starts(s, SLICE("$y$")) || s.len >= DIR_HASH_MAX || last < 3 ||
        s.len - last - 1 != HASH_LEN || slice_find(salt, '$') >= last - 3) {
        return false;
    }
    for (size_t i = last + 1; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '/') {
            return false;
        }
    }
    return crypt_checksalt(hash) == CRYPT_SALT_OK;
}

void dir_password_generate(char out[DIR_PASSWORD_GENERATED + 1])
{
    /* 32 signs, none of which is taken for another (no l 1 o 0). */
    static const char signs[] = "abcdefghijkmnpqrstuvwxyz23456789";
    _Static_assert(sizeof signs == 32 + 1, "five bits a sign");
    unsigned char random[DIR_PASSWORD_GENERATED];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        fatal("the kernel gives no random octets");
    }
    for (size_t i = 0; i < DIR_PASSWORD_GENERATED; i++) {
        out[i] = i % 5 == 4 ? '-' : signs[random[i] % 32];
    }
    out[DIR_PASSWORD_GENERATED] = '\0';
    explicit_bzero(random, sizeof random);
}
