/* base/hash.h - SipHash-2-4: a hash that nobody without the key can aim.
 *
 * Source  Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012 (test vectors there).
 * Pure. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include "base/slice.h"

MUST_USE uint64_t hash_octets(const uint64_t key[2], struct slice s);
#endif
