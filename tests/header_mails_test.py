#!/usr/bin/env python3
"""No mail is refused without right: what the header checks say of real mail.

header_mails_test.py HEADER_LOOK SOURCE_ROOT

tests/header_good: the examples of RFC 5322, appendix A, and header sections as mail programs make
them; none may be refused. The real mails of ../shared/bounces (POSTERN_SHARED names another place;
without it this half is left out): those refused are the ones in tests/header_refused.tsv, no more, no
less, each with the reason why that is right.
"""
import os
import pathlib
import subprocess
import sys

look, root = sys.argv[1], pathlib.Path(sys.argv[2])
shared = pathlib.Path(os.environ.get("POSTERN_SHARED", root / "../shared"))
faults = 0


def refusals(*arguments):
    out = subprocess.run([look, *map(str, arguments)], check=True, stdout=subprocess.PIPE).stdout
    for line in out.decode().splitlines():
        name, row, evidence = line.split("\t")
        yield (name, row), evidence


def complain(text):
    global faults
    faults += 1
    print(text)


for (name, row), evidence in refusals(*sorted((root / "tests/header_good").glob("*.eml"))):
    complain(f"{name} is refused ({row}): {evidence}")

mails = sorted((shared / "bounces/messages").glob("*"))
if mails:
    expected = {}
    for line in (root / "tests/header_refused.tsv").read_text().splitlines():
        if not line.startswith("#"):
            name, row, why = line.split("\t")
            expected[name, row] = why
    found = dict(refusals("-r", *mails))
    for key in sorted(found.keys() - expected.keys()):
        complain(f"{key[0]} is refused ({key[1]}): {found[key]}")
    for key in sorted(expected.keys() - found.keys()):
        complain(f"{key[0]} passes; it should be refused ({key[1]}): {expected[key]}")
    print(f"{len(mails)} real mails, {len({name for name, _ in found})} of them refused")
sys.exit(1 if faults else 0)
