#!/usr/bin/env python3
"""The pure libraries call nothing but each other, memory and string functions.

check-pure.py NM LIBRARY... - in order, lowest first: what a library leaves undefined must be
defined in it or in one before it, or stand in LIBC. So a socket, file or clock in a parser
does not merely look wrong: the build says so.
"""
import re
import subprocess
import sys

LIBC = re.compile(r"""^(
    mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|chr|str|cmp|c?spn)|v?snprintf|__v?snprintf_chk|
    __(memcpy|memmove|memset|strlen|explicit_bzero)_chk|malloc|calloc|realloc|reallocarray|free|abort|qsort|explicit_bzero|
    __stack_chk_fail|hs_(scan|deserialize_database|free_database|(alloc|free)_scratch)|__cpu_(model|indicator_init)|_GLOBAL_OFFSET_TABLE_|
    idn2_(to_ascii_8z|free)|  # libidn2: tables, no I/O
    __(asan|ubsan|sanitizer|sancov|tsan)_\w+)$""", re.X)
# Of libcrypto: what computes. No BIO but over memory, no file, no socket, no engine.
CRYPTO = re.compile(r"""^(
    EVP_(MD|MD_CTX|PKEY|PKEY_CTX|Digest|sha256)\w*|OSSL_PARAM_construct_\w+|BN_(bin2bn|bn2nativepad|free)|
    BIO_(new_mem_buf|free)|PEM_read_bio_PrivateKey|i2d_PUBKEY|CRYPTO_free|ERR_clear_error)$""", re.X)

# Of libm.
MATHS = re.compile(r"^(sqrt|exp)$")
# Of libjansson: reading text that is in memory, and looking at what came of it.
JSON = re.compile(r"^json_(loadb|delete|object_\w+|array_\w+|string_value|number_value)$")


def symbols(nm, library, *options):
    out = subprocess.run([nm, "-P", *options, library], check=True, capture_output=True, text=True)
    return {line.split()[0] for line in out.stdout.splitlines() if len(line.split()) > 1}


def main():
    nm, libraries = sys.argv[1], sys.argv[2:]
    known, bad = set(), 0
    for library in libraries:
        known |= symbols(nm, library, "--defined-only")
        if library.endswith("libbase.a"):
            continue  # has its few edges: clock, log, random keys (tools/check-includes.py)
        for name in sorted(symbols(nm, library, "--undefined-only") - known):
            if not LIBC.match(name) and not any(library.endswith(of) and allowed.match(name) for of, allowed in
                                                (("libsenderauth.a", CRYPTO), ("libbounce.a", MATHS), ("libfilter.a", JSON))):
                print(f"{library}: calls {name}")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
