#!/usr/bin/env python3
"""The mails of tests/fuzz/bounce_parse, one for each way in which a producer writes its reports, come
out of `postern explain` as bounce_made.tsv says.

    bounce_made_test.py POSTERN SOURCE_ROOT

A row is one recipient: the mail, its number, the address, what the message is, what became of the
delivery, the class (or several with | between), status, code, and a part of the reply."""
import collections
import csv
import json
import pathlib
import subprocess
import sys

postern, root = sys.argv[1], pathlib.Path(sys.argv[2])
mails = root / "tests/fuzz/bounce_parse"
wanted = collections.defaultdict(list)
with open(root / "tests/bounce_made.tsv", encoding="utf-8", newline="") as f:
    for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
        wanted[row["mail"]].append(row)
run = subprocess.run([postern, "explain", "--json", "-f", str(mails)], capture_output=True, check=True,
                     timeout=120)
results = collections.defaultdict(list)
for line in run.stdout.decode("utf-8").splitlines():
    result = json.loads(line)
    results[pathlib.Path(result["file"]).stem].append(result)


def differences(row, got):
    for key in ("recipient", "message", "delivery", "status"):
        if got[key] != row[key]:
            yield f"{key} is {got[key]!r}, not {row[key]!r}"
    if str(got["code"] or "") != row["code"]:
        yield f"code is {got['code']}, not {row['code']}"
    if got["class"] not in row["class"].split("|"):
        yield f"class is {got['class']} ({got['rule']}), not {row['class']}"
    if row["reply"].lower() not in " ".join(got["reply"].split()).lower():
        yield f"reply is {got['reply']!r}, without {row['reply']!r}"


bad = 0
for mail in sorted(wanted.keys() | results.keys()):
    rows, got = wanted[mail], results[mail]
    if len(rows) != len(got):
        bad += 1
        print(f"{mail}: {len(got)} recipients, not {len(rows)}: {[g['recipient'] for g in got]}")
    for row, result in zip(rows, got):
        for difference in differences(row, result):
            bad += 1
            print(f"{mail}:{row['n']}: {difference}")
sys.exit(bad > 0)
