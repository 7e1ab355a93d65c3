#!/usr/bin/env python3
"""docs/architecture.md names every folder of src, every role and every message between roles.
Exit 1 with a line for each that it does not."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
text = (root / "docs/architecture.md").read_text(encoding="utf-8")
msg = (root / "src/proc/msg.h").read_text(encoding="utf-8")
words = [f"`src/{path.name}`" for path in sorted((root / "src").iterdir()) if path.is_dir()]
words += [f"| {role} |" for role in re.findall(r"X\((\w+)\)", re.search(r"define ROLES.*", msg).group(0)) if role != "X"]
words += [f"`{name}`" for name in re.findall(r"^    X\((\w+),", msg, re.M)]
missing = [word for word in words if word not in text]
for word in missing:
    print(f"docs/architecture.md: nothing about {word}")
sys.exit(1 if missing or len(words) < 30 else 0)
