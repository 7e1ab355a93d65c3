/* base/crc32c.c - see crc32c.h. Uses the SSE 4.2 instruction where the CPU has it. */
#include "base/crc32c.h"

#include <string.h>

static uint32_t crc_soft(uint32_t crc, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        crc ^= s.ptr[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82F63B78U & (0U - (crc & 1U)));
        }
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_hard(uint32_t crc, struct slice s)
{
    uint64_t wide = crc;
    while (s.len >= 8) {
        uint64_t word = 0;
        memcpy(&word, s.ptr, sizeof word);
        wide = _mm_crc32_u64(wide, word);
        s = slice_from(s, 8);
    }
    crc = (uint32_t)wide;
    for (size_t i = 0; i < s.len; i++) {
        crc = _mm_crc32_u8(crc, s.ptr[i]);
    }
    return crc;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") != 0;
}
#else
static uint32_t crc_hard(uint32_t crc, struct slice s)
{
    return crc_soft(crc, s);
}

static bool has_instruction(void)
{
    return false;
}
#endif

uint32_t crc32c(uint32_t crc, struct slice s)
{
    return ~(has_instruction() ? crc_hard(~crc, s) : crc_soft(~crc, s));
}
