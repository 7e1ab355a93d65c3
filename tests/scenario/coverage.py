#!/usr/bin/env python3
"""Every row of the catalogue has a scenario. Those named after no row are about several."""
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent.parent
rows = [line.split("\t")[0] for line in (root / "catalogue" / "replies.tsv").read_text().splitlines()
        if line and not line.startswith(("#", "id\t", "ok-"))]
have = {path.stem for path in (root / "tests" / "scenario").glob("*.scn")}
bare = [row for row in rows if row not in have]
print(f"rows with a scenario: {len(rows) - len(bare)} of {len(rows)}"
      + ("; without: " if bare else "") + " ".join(bare))
print("about several: " + " ".join(sorted(have - set(rows))))
sys.exit(1 if bare or not rows else 0)
