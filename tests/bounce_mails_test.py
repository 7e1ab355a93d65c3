#!/usr/bin/env python3
"""Scores `postern explain` on the labelled mails of ../shared/bounces, and compares with the floor
in bounce_mails.floor, so that no change makes it worse unseen.

    bounce_mails_test.py POSTERN SOURCE_ROOT [--print] - --print shows each recipient that is wrong

Skipped (77) where ../shared is not there (POSTERN_SHARED names another place). A better figure than
the floor is told, so that the floor can be raised."""
import collections
import csv
import json
import os
import pathlib
import subprocess
import sys

postern, root = sys.argv[1], pathlib.Path(sys.argv[2])
shared = pathlib.Path(os.environ.get("POSTERN_SHARED", root / "../shared"))
verbose = "--print" in sys.argv
if not (shared / "bounces/labels.tsv").exists():
    sys.exit(77)


def table(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


kinds = {row["class"]: row["kind"] for row in table(shared / "catalogue/taxonomy.tsv")}
labels = collections.defaultdict(list)
for row in table(shared / "bounces/labels.tsv"):
    labels[row["file"]].append(row)

run = subprocess.run([postern, "explain", "--json", "-f", str(shared / "bounces/messages")],
                     capture_output=True, check=True)
results = collections.defaultdict(list)
for line in run.stdout.decode("utf-8").splitlines():
    result = json.loads(line)
    results[pathlib.Path(result["file"]).name].append(result)

count = collections.Counter()
seen, hit = collections.Counter(), collections.Counter()
for name, rows in labels.items():
    got = results[name]
    count["extra"] += max(0, len(got) - len(rows))
    for n, row in enumerate(rows):
        count["recipients"] += 1
        mine = next((r for r in got if r["recipient"].lower() == row["recipient"].lower()), None)
        found = mine is not None
        mine = mine or (got[n] if n < len(got) else None)
        accept = row["accept"].split(",")
        good = mine is not None and mine["class"] in accept
        count["found"] += found
        count["class"] += good
        seen[row["class"]] += 1
        hit[row["class"]] += good
        if mine is None:
            print(f"{name}: nothing said of {row['recipient']}")
            continue
        count["status"] += mine["status"] == row["status"]
        count["code"] += str(mine["code"] or "") == row["code"]
        count["unclassified"] += mine["class"] == "unclassified" and "unclassified" not in accept
        # Only a recipient that is the label's own can be suppressed falsely.
        if found and mine["kind"] == "hard" and not any(kinds[c] == "hard" for c in accept):
            count["false suppressions"] += 1
            print(f"{name}: FALSE SUPPRESSION of {row['recipient']}: {mine['class']} for {row['class']}")
        if mine["kind"] != "hard" and all(kinds[c] == "hard" for c in accept):
            count["missed hard"] += 1
        if verbose and not good:
            print(f"{name}: {mine['class']} for {row['accept']} ({mine['rule']}): {mine['reply'][:150]}")

total = count["recipients"]
figures = {name: 100 * count[key] / total for name, key in (
    ("recipients found %", "found"), ("class %", "class"), ("status %", "status"), ("code %", "code"))}
figures["macro recall %"] = 100 * sum(hit[c] / seen[c] for c in seen) / len(seen)
limits = {name: count[name] for name in ("false suppressions", "missed hard", "unclassified", "extra")}

bad = 0
for line in (root / "tests/bounce_mails.floor").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    name, value = line.rsplit("\t", 1)
    mine = figures.get(name, limits.get(name))
    higher = name in figures
    worse = mine < float(value) - 0.005 if higher else mine > float(value)
    better = mine > float(value) + 0.005 if higher else mine < float(value)
    bad += worse
    print(f"{name:22} {mine:8.2f}  {'at least' if higher else 'at most'} {float(value):g}"
          f"{'  WORSE' if worse else '  better: raise the floor' if better else ''}")
sys.exit(bad > 0)
