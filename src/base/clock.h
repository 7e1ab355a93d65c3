/* base/clock.h - the two clocks. Rules take `now` as a parameter; only the edges ask. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stdint.h>

uint64_t clock_mono_ms(void); /* never jumps; for timeouts */
uint64_t clock_wall_ms(void); /* Unix time in milliseconds; for people and disk */
#endif
