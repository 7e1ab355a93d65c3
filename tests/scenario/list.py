"""Names of the scenarios in a folder, for meson.build: list.py FOLDER"""
import pathlib
import sys

print("\n".join(sorted(path.stem for path in pathlib.Path(sys.argv[1]).glob("*.scn"))))
