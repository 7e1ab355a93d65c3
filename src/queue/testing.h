/* queue/testing.h - what the tests of the index share. */
#ifndef QUEUE_TESTING_H
#define QUEUE_TESTING_H
#include <stdint.h>

/* A number below that; the same ones in each run. */
static inline uint64_t draw(uint64_t below)
{
    static uint64_t x = 0x9e3779b97f4a7c15U;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x % below;
}
#endif
