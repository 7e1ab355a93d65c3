#!/usr/bin/env python3
"""The shared library exports what its map lists, under the version there, and nothing else; the
example runs.

    libbounce_test.py NM LIBRARY MAP EXAMPLE"""
import pathlib
import re
import subprocess
import sys
import tempfile

nm, library, map_file, example = sys.argv[1:]
listed = set(re.findall(r"^    (\w+);", pathlib.Path(map_file).read_text(), re.M))
out = subprocess.run([nm, "-D", "--defined-only", library], check=True, capture_output=True, text=True)
names = [line.split()[-1] for line in out.stdout.splitlines()]
exported = {n.split("@")[0] for n in names if not n.startswith("POSTERN_BOUNCE_")}
assert exported == listed, exported ^ listed
assert all("@@POSTERN_BOUNCE_1" in n for n in names if n.split("@")[0] in listed), names
declared = set(re.findall(r"\b(postern_bounce_\w+)\(", (
    pathlib.Path(map_file).parents[2] / "include/postern/bounce.h").read_text()))
assert declared == listed, declared ^ listed

with tempfile.NamedTemporaryFile() as f:
    f.write(b"From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n"
            b"<a@b.example>:\n550 5.1.1 User unknown\n")
    f.flush()
    got = subprocess.run([example, f.name], check=True, capture_output=True, text=True).stdout
assert "a@b.example: invalid-recipient (hard" in got, got
