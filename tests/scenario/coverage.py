#!/usr/bin/env python3
"""How many rows of the catalogue have a scenario, and which have none. Fails only on a scenario
whose name is no row."""
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent.parent
rows = [line.split("\t")[0] for line in (root / "catalogue" / "replies.tsv").read_text().splitlines()
        if line and not line.startswith(("#", "id\t", "ok-"))]
have = {path.stem for path in (root / "tests" / "scenario").glob("*.scn")}
print(f"rows with a scenario: {len(have & set(rows))} of {len(rows)}; without:")
print("  " + " ".join(row for row in rows if row not in have))
strangers = sorted(have - set(rows))
if strangers:
    print("scenarios that are no row: " + " ".join(strangers))
sys.exit(1 if strangers else 0)
