#!/usr/bin/env python3
"""Compiles the explanations in: catalogue/explain/<language>.tsv and words.tsv to C.

gen-explain.py REPLIES CLASSES OUTPUT EXPLAIN... - REPLIES is catalogue/replies.tsv, CLASSES
catalogue/bounces/classes.tsv, EXPLAIN the files of catalogue/explain. A language's file must have a
page for each refusal and each class, none twice, none unknown, none empty; words.tsv must have each
word in each language. A fault stops the build with file and line.
"""
import pathlib
import sys

LANGUAGES = ["en", "zh-CN", "zh-TW", "sv"]


class Fault(Exception):
    pass


def rows(path):
    """(line number, cells) of a table, without comments and blank lines."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line and not line.startswith("#"):
            yield number, line.split("\t")


def table(path):
    lines = list(rows(path))
    head = lines[0][1]
    for number, cells in lines[1:]:
        if len(cells) != len(head):
            raise Fault(f"{path}:{number}: {len(cells)} cells, wants {len(head)}")
        yield number, dict(zip(head, cells))


def pages(path, known):
    """{(kind, id): (title, cause, remedy)}, complete."""
    found = {}
    for number, row in table(path):
        key = row["kind"], row["id"]
        texts = tuple(row[c] for c in ("title", "cause", "remedy"))
        if key not in known:
            raise Fault(f"{path}:{number}: no {key[0]} is called {key[1]}")
        if key in found:
            raise Fault(f"{path}:{number}: {key[0]} {key[1]} a second time")
        if not all(t.strip() for t in texts):
            raise Fault(f"{path}:{number}: an empty text")
        found[key] = texts
    missing = [f"{k} {i}" for k, i in known if (k, i) not in found]
    if missing:
        raise Fault(f"{path}: has no page for {', '.join(missing[:5])}"
                    f"{' ...' if len(missing) > 5 else ''}")
    return found


def words(path):
    found = {}
    for number, row in table(path):
        if row["id"] in found or not all(row[lang].strip() for lang in LANGUAGES):
            raise Fault(f"{path}:{number}: twice, or empty")
        found[row["id"]] = [row[lang] for lang in LANGUAGES]
    return found


def quote(text):
    """A C string of ASCII; octets beyond it in octal, which cannot run into what follows."""
    out = []
    for octet in text.encode("utf-8"):
        char = chr(octet)
        out.append(f"\\{octet:03o}" if octet < 32 or octet > 126 else
                   "\\" + char if char in '"\\?' else char)
    return '"' + "".join(out) + '"'


def generate(replies, classes, explain):
    refusals = [row for _, row in table(replies) if row["code"][0] in "45"]
    reply_of = {row["id"]: row for row in refusals}
    known = [("row", row["id"]) for row in refusals]
    known += [("class", row["class"]) for _, row in table(classes)]
    files = {path.stem: path for path in explain}
    texts = {lang: pages(files[lang], known) for lang in LANGUAGES if lang in files}
    if "en" not in texts or "words" not in files:
        raise Fault("catalogue/explain: en.tsv and words.tsv must be there")
    out = ["/* Made by tools/gen-explain.py. */", '#include "libbounce/explain.h"', ""]
    out.append(f"const char *const explain_languages[{len(LANGUAGES)}] = {{"
               + ", ".join(quote(lang) for lang in LANGUAGES) + "};")
    out.append("const struct explain_page explain_pages[] = {")
    for kind, name in sorted(known):
        reply = reply_of.get(name) if kind == "row" else None
        status = "" if not reply or reply["status"] == "-" else reply["status"]
        out.append(f"    {{{quote(kind)}, {quote(name)}, {quote(reply['code'] if reply else '')}, "
                   f"{quote(status)}, {quote(reply['text'] if reply else '')}, {{")
        for lang in LANGUAGES:
            page = texts.get(lang, {}).get((kind, name))
            out.append("        {" + (", ".join(quote(t) for t in page) if page
                                      else "0, 0, 0") + "},")
        out.append("    }},")
    out.append("};")
    out.append("const size_t explain_pages_n = sizeof explain_pages / sizeof explain_pages[0];")
    out.append("const struct explain_word explain_words[] = {")
    for name, cells in sorted(words(files["words"]).items()):
        out.append(f"    {{{quote(name)}, {{{', '.join(quote(c) for c in cells)}}}}},")
    out.append("};")
    out.append("const size_t explain_words_n = sizeof explain_words / sizeof explain_words[0];")
    return "\n".join(out) + "\n"


def main():
    replies, classes, output, *explain = map(pathlib.Path, sys.argv[1:])
    try:
        text = generate(replies, classes, explain)
    except (Fault, KeyError, OSError, UnicodeDecodeError) as fault:
        sys.exit(f"gen-explain.py: {fault!r}" if isinstance(fault, KeyError) else str(fault))
    output.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
