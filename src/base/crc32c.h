/* base/crc32c.h - CRC-32C (Castagnoli), the checksum of spool records and journal.
 *
 * Source  RFC 3720 appendix B.4 (its test vectors are in crc32c_test.c).
 * Pure.   Start with crc 0; feed in pieces: crc32c(crc32c(0, a), b) == crc32c(0, ab). */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
#include "base/slice.h"

MUST_USE uint32_t crc32c(uint32_t crc, struct slice s);
#endif
