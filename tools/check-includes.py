#!/usr/bin/env python3
"""Includes point downwards only: each folder of src may include itself and what its row lists.

Also: every header stands alone in its guard's name, and the pure folders ask no system header
that does input or output. Exit 1 with file:line for each breach.
"""
import pathlib
import re
import sys

PURE = ["base", "reply", "smtp", "message", "bounce", "dns", "senderauth", "filter", "rule"]
MIDDLE = ["fetch", "sql", "config", "content", "resolver", "rate", "tls", "net", "proc", "spool", "trace", "directory", "queue", "delivery"]
MAY = {
    "base": [],
    "reply": ["base"],
    "sasl": ["base"],
    "smtp": ["base", "reply"],
    "message": ["base", "reply"],
    "content": ["base", "message"],
    "rule": ["base", "message"],
    "bounce": ["base", "message"],
    "dns": ["base"],
    "senderauth": ["base", "dns", "message"],
    "filter": ["base"],
    "resolver": ["base", "config", "dns"],
    "rate": ["base"],
    "libbounce": ["base", "message", "bounce", "postern"],
    "config": ["base", "rate"],
    "tls": ["base"],
    "net": ["base", "tls"],
    "spool": ["base"],
    "fetch": ["base"],
    "sql": ["base"],
    "trace": ["base", "sql"],
    "proc": ["base", "config", "rate"],
    "directory": ["base", "config", "fetch", "message", "rule", "sasl", "spool", "sql"],
    "queue": ["base", "config", "spool", "sql", "trace"],
    "delivery": ["base", "bounce", "config", "dns", "fetch", "net", "rate", "reply", "resolver", "sasl", "senderauth", "smtp", "queue", "spool", "tls"],
    "check": PURE + ["config", "content", "directory", "rate", "spool"],
    "daemon": PURE + MIDDLE + ["check", "libbounce", "postern", "sasl"],
    "cmd": PURE + MIDDLE + ["check", "daemon", "sasl", "postern"],
}
# What input and output needs: no business of a pure folder, but for base's few edges.
SYSTEM = re.compile(r"<(sys/socket|sys/stat|fcntl|unistd|netinet/|arpa/|event2/|openssl/|sqlite3|pthread|time)\b")
EDGES = {"base/log.c", "base/clock.c", "base/map.c", "base/id.c", "base/hash.c", "base/file.c",
         "base/netset.c",  # inet_pton() and struct sockaddr, no socket
         "senderauth/crypto.c"}  # libcrypto computes: hashes and signatures (tools/check-pure.py)
TESTS = re.compile(r"_(test|fuzz|proof|bench)\.c$")


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    bad = 0
    for path in sorted(src.rglob("*.[ch]")):
        name = str(path.relative_to(src))
        folder = name.split("/")[0]
        if folder not in MAY:
            print(f"src/{name}: folder {folder} has no row in tools/check-includes.py")
            bad += 1
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+(?:"([a-z0-9_]+)/[^"]+"|(<[^>]+>))', line)
            if not found:
                continue
            other, system = found.groups()
            if other and other != folder and other not in MAY[folder]:
                print(f"src/{name}:{number}: {folder} may not include {other}/")
                bad += 1
            if (system and folder in PURE and SYSTEM.search(system)
                    and name not in EDGES and not TESTS.search(name)):
                print(f"src/{name}:{number}: {system} in a pure folder")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
