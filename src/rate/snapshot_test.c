/* rate/snapshot_test.c - a table to disk and back, in pieces, cut off and broken. */
#include "rate/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS = 3000, PIECE = 1000 };
static const uint64_t hash_key[2] = {5, 6}, other_key[2] = {5, 7};
static const uint64_t now = 1700000000000000;
static char dir[] = "/tmp/snapshot_test.XXXXXX";
static char path[sizeof dir + 16];

static struct rate_table *table(const uint64_t key[2])
{
    size_t octets = rate_size_for(2 * KEYS);
    void *memory = aligned_alloc(4096, (octets + 4095) / 4096 * 4096);
    assert_non_null(memory);
    memset(memory, 0, octets);
    return rate_init(memory, octets, key);
}

static struct rate_key key_of(const struct rate_table *t, unsigned i, char name[16])
{
    (void)snprintf(name, 16, "k%u", i);
    return rate_key(t, RATE_ip, slice_of(name));
}

static void write_it(const struct rate_table *t)
{
    struct snapshot s;
    enum snapshot_res res = SNAPSHOT_MORE;
    unsigned steps = 0;
    assert_true(snapshot_init(&s, path));
    while (res == SNAPSHOT_MORE) {
        assert_true(++steps < 100);
        res = snapshot_step(&s, t, PIECE);
    }
    assert_int_equal(res, SNAPSHOT_DONE);
    assert_true(steps >= rate_capacity(t) / PIECE);
    assert_int_equal(s.keys, KEYS);
}

static struct rate_table *filled(void)
{
    char name[16];
    struct rate_table *t = table(hash_key);
    for (unsigned i = 0; i < KEYS; i++) {
        struct rate_key k = key_of(t, i, name);
        assert_true(rate_add(t, &k, i + 1, NULL, now, NULL));
        assert_true(rate_sign(t, &k, i, 1, now));
    }
    return t;
}

static void test_back(void **state)
{
    (void)state;
    char name[16];
    bool broken = true;
    uint64_t key[2];
    struct rate_table *t = filled();
    write_it(t);
    assert_true(snapshot_hash_key(path, key));
    assert_memory_equal(key, hash_key, sizeof key);
    struct rate_table *u = table(key);
    assert_int_equal(snapshot_load(path, u, now, &broken), KEYS);
    assert_false(broken);
    for (unsigned i = 0; i < KEYS; i++) {
        struct rate_key k = key_of(u, i, name);
        struct rate_view v;
        assert_true(rate_read(u, &k, now, &v));
        assert_int_equal(v.count[RATE_DAY], i + 1);
        assert_int_equal(v.good, i);
    }
    free(t);
    free(u);
}

/* Every so many octets: what stands before the cut is there, the rest is not. */
static void test_cut(void **state)
{
    (void)state;
    struct stat st;
    struct rate_table *t = filled();
    write_it(t);
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 1; size >= 0; size -= 30011) {
        bool broken = false;
        uint64_t key[2];
        struct rate_table *u = table(hash_key);
        assert_int_equal(truncate(path, size), 0);
        size_t keys = snapshot_load(path, u, now, &broken);
        assert_true(keys <= (size_t)size / RATE_SLOT_OCTETS);
        assert_int_equal(broken, snapshot_hash_key(path, key));
        free(u);
    }
    free(t);
}

static void test_broken(void **state)
{
    (void)state;
    bool broken = false;
    struct rate_table *t = filled();
    write_it(t);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 24 + 4 + SNAPSHOT_BLOCK * RATE_SLOT_OCTETS + 300, SEEK_SET),
                     0);
    assert_int_equal(fputs("broken", f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    struct rate_table *u = table(hash_key);
    size_t keys = snapshot_load(path, u, now, &broken);
    assert_true(broken);
    assert_in_range(keys, 1, SNAPSHOT_BLOCK);
    free(u);
    u = table(other_key);
    assert_int_equal(snapshot_load(path, u, now, &broken), 0);
    assert_true(broken);
    free(u);
    free(t);
    assert_int_equal(unlink(path), 0);
    uint64_t key[2];
    assert_false(snapshot_hash_key(path, key));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(snapshot_hash_key(path, key));
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/rates", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
