#!/usr/bin/env python3
"""Compiles the kinds of files in: catalogue/attachments.tsv to C.

gen-attachments.py TABLE HEADER SOURCE - HEADER gets enum content_kind, SOURCE the kinds and, sorted,
the extensions and types. An extension or type that stands twice, an unknown action, a cell too many
or too few stops the build with file and line.
"""
import pathlib
import re
import sys


class Fault(Exception):
    pass


def read(path):
    head, kinds, seen = None, [], {}
    for number, line in enumerate(path.read_text(encoding="ascii").split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if head is None:
            head = cells
            continue
        if len(cells) != len(head):
            raise Fault(f"{path}:{number}: {len(cells)} cells, wants {len(head)}")
        row = dict(zip(head, cells))
        if row["action"] not in ("block", "note") or not re.fullmatch(r"[a-z-]+", row["kind"]):
            raise Fault(f"{path}:{number}: no such action, or no name of a kind")
        for column in ("extensions", "types"):
            row[column] = [] if row[column] == "-" else row[column].split(" ")
            for word in row[column]:
                if word != word.lower() or (column, word) in seen:
                    raise Fault(f"{path}:{number}: {word} stands twice, or is not in lower case")
                seen[column, word] = number
        kinds.append(row)
    return kinds


def name(kind):
    return "KIND_" + kind["kind"].replace("-", "_").upper()


def table(kinds, column):
    words = sorted((word, name(kind)) for kind in kinds for word in kind[column])
    return "".join(f'    {{"{word}", {kind}}},\n' for word, kind in words)


def main():
    source, header_path, table_path = map(pathlib.Path, sys.argv[1:4])
    kinds = read(source)
    header_path.write_text(
        "/* Made of catalogue/attachments.tsv. */\n#ifndef CONTENT_KINDS_H\n#define CONTENT_KINDS_H\n"
        "enum content_kind {\n    KIND_NONE = 0,\n"
        + "".join(f"    {name(k)},\n" for k in kinds) + "    KIND_N\n};\n#endif\n")
    table_path.write_text(
        '/* Made of catalogue/attachments.tsv. */\n#include "content/kind.h"\n'
        "const struct kind_row kind_rows[KIND_N] = {\n    {\"none\", \"nothing special\", false},\n"
        + "".join(f'    {{"{k["kind"]}", "{k["text"]}", {str(k["action"] == "block").lower()}}},\n'
                  for k in kinds) + "};\n"
        + "const struct kind_word kind_extensions[] = {\n" + table(kinds, "extensions") + "};\n"
        + "const struct kind_word kind_types[] = {\n" + table(kinds, "types") + "};\n"
        + "const unsigned kind_extensions_n = sizeof kind_extensions / sizeof kind_extensions[0];\n"
        + "const unsigned kind_types_n = sizeof kind_types / sizeof kind_types[0];\n")


if __name__ == "__main__":
    try:
        main()
    except Fault as fault:
        sys.exit(str(fault))
