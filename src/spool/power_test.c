/* The power fails at any moment: what was promised holds.
 *
 * A random schedule of appends, outcomes, seals and moves runs on a disk that is switched
 * off at a random call; what may survive of it is opened as the next life of the same
 * spool, and the schedule goes on from there. SPOOL_POWER_ROUNDS and SPOOL_POWER_SEED:
 * more, and others. */
#include "spool/io_fault.h"
#include "spool/rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 100, LIVES = 3, STEPS = 40 };

static uint64_t from_env(const char *name, uint64_t otherwise)
{
    uint64_t v = otherwise;
    const char *text = getenv(name);
    return text != NULL && slice_u64(slice_of(text), &v) ? v : otherwise;
}

/* Checked at the start of each life. */
static void check_promises(struct rig *r, uint64_t seed)
{
    for (unsigned i = 0; i < r->message_n; i++) {
        struct rig_message *m = &r->message[i];
        unsigned all = (1U << m->target_n) - 1;
        const char *wrong = NULL;
        if (m->found > 1) {
            wrong = "told twice";
        } else if (m->found == 1 && !rig_intact(r, m)) {
            wrong = "not intact";
        } else if (m->ok && m->settled != all && m->found == 0) {
            wrong = "lost";
        } else if (m->synced == all && m->found == 1 && m->replayed != all) {
            wrong = "came back";
        } else if (m->found == 1 && (m->synced & ~m->replayed) != 0) {
            wrong = "lost an outcome that was synced";
        } else if (m->found == 1 && (m->replayed & ~m->settled) != 0) {
            wrong = "has an outcome that nobody gave";
        }
        if (wrong != NULL) {
            fail_msg(
                "seed %llu life %u message %u of %zu octets (ok %d settled %x synced %x "
                "found %u replayed %x): %s",
                (unsigned long long)seed, r->life, i + 1, m->len, m->ok, m->settled,
                m->synced, m->found, m->replayed, wrong);
        }
        /* What this life begins with is what counts from now on. */
        if (m->found == 1) {
            m->ok = true;
            m->settled = m->synced = m->replayed;
            m->finished = false;
        } else if (m->committed) {
            m->ok = false;
        }
    }
    if (rig_reported(r, "damaged") || rig_reported(r, "not of the spool")) {
        for (unsigned i = 0; i < r->report_n; i++) {
            print_error("%s\n", r->report[i]);
        }
        fail_msg("seed %llu life %u: a cut is told as damage", (unsigned long long)seed,
                 r->life);
    }
    rig_finish_done(r);
}

static size_t draw_len(struct rig *r)
{
    switch (rig_draw(r, 40)) {
    case 0:
        return SPOOL_SINGLE_OVER + rig_draw(r, 300000); /* a segment of its own */
    case 1:
        return rig_draw(r, SPOOL_SINGLE_OVER);
    case 2:
        return 0;
    default:
        return rig_draw(r, rig_draw(r, 4) == 0 ? 50000 : 3000);
    }
}

static void outcome(struct rig *r)
{
    if (r->message_n == 0) {
        return;
    }
    struct rig_message *m = &r->message[rig_draw(r, r->message_n)];
    if (m->found == 0 || m->finished) {
        return;
    }
    if (rig_draw(r, 3) == 0) {
        rig_settle_all(r, m);
    } else {
        rig_settle(r, m, rig_draw(r, m->target_n));
    }
}

static void step(struct rig *r, uint64_t *now)
{
    switch (rig_draw(r, 14)) {
    case 0:
    case 1:
    case 2:
        for (uint32_t n = 1 + rig_draw(r, 6); n > 0; n--) {
            struct rig_message *m = rig_commit(r, draw_len(r), 1 + rig_draw(r, 3));
            assert_non_null(m);
        }
        break;
    case 3:
        rig_turn(r);
        break;
    case 4:
        rig_run(r);
        break;
    case 5:
        rig_sync(r);
        break;
    case 6:
        *now += SPOOL_MOVE_AFTER_MS / 2 + 1;
        rig_finish_done(r);
        spool_store_compact(r->store, *now);
        break;
    case 7: /* another writer: the segments of this one are sealed */
        rig_close_writer(r);
        rig_open_writer(r);
        break;
    case 8:
        for (int i = 0; i < 40; i++) {
            outcome(r);
        }
        break;
    case 9: /* one call fails before that */
        fault_order(1 + rig_draw(r, 20), 1,
                    rig_draw(r, 2) == 0 ? FAULT_ERROR : FAULT_SHORT,
                    rig_draw(r, 2) == 0 ? EIO : ENOSPC);
        break;
    case 10: /* the journal cannot be synced: it will be written anew */
        outcome(r);
        fault_order(1, 1, FAULT_ERROR, EIO);
        rig_sync(r);
        break;
    default:
        outcome(r);
    }
}

static void one_round(uint64_t seed)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    rig_begin(r, seed);
    assert_true(rig_open(r)); /* the directory itself is made in peace */
    rig_close(r);
    for (unsigned life = 0; life < LIVES; life++) {
        uint64_t now = 1;
        fault_watch(r->dir, seed * 31 + life);
        fault_cut_at(1 + rig_draw(r, 400));
        r->report_n = 0;
        if (!rig_open(r) && !fault_is_cut()) {
            fail_msg("seed %llu life %u: %s", (unsigned long long)seed, r->life,
                     r->error);
        }
        if (!fault_is_cut()) {
            check_promises(r, seed);
        }
        for (int i = 0; i < STEPS && !fault_is_cut(); i++) {
            step(r, &now);
        }
        rig_lose_power(r);
    }
    r->report_n = 0; /* what the last life could not do when it was cut is no damage */
    assert_true(rig_open(r));
    check_promises(r, seed);
    rig_end(r);
    free(r);
}

static void power_cuts(void **state)
{
    (void)state;
    uint64_t rounds = from_env("SPOOL_POWER_ROUNDS", ROUNDS);
    uint64_t seed = from_env("SPOOL_POWER_SEED", 1);
    for (uint64_t i = 0; i < rounds; i++) {
        one_round(seed + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(power_cuts)};
    return cmocka_run_group_tests_name("spool/power", tests, NULL, NULL);
}
