#!/usr/bin/env python3
"""Every row of the catalogue has a scenario, and every scenario is named after a row."""
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent.parent
rows = [line.split("\t")[0] for line in (root / "catalogue" / "replies.tsv").read_text().splitlines()
        if line and not line.startswith(("#", "id\t", "ok-"))]
have = {path.stem for path in (root / "tests" / "scenario").glob("*.scn")}
print(f"rows with a scenario: {len(have & set(rows))} of {len(rows)}")
bare = [row for row in rows if row not in have]
if bare:
    print("without: " + " ".join(bare))
strangers = sorted(have - set(rows))
if strangers:
    print("scenarios that are no row: " + " ".join(strangers))
sys.exit(1 if strangers or bare or not rows else 0)
