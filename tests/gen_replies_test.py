#!/usr/bin/env python3
"""tools/gen-replies.py takes a good catalogue, and names file, line and fault of each bad one.

    gen_replies_test.py SOURCE_ROOT"""
import os
import subprocess
import sys
import tempfile

HEADER = "id\tservices\tcode\tstatus\tcode_iana\tstatus_iana\tstage\tcloses\ttext"
HOLES = ["# A comment.", "# hole rcpt  the recipient's address", "# hole ip the client's address"]
BOTH = "refused-it\tmx\t550\t5.1.1\t550\t5.1.1\trcpt\tno\tNo {rcpt}[ from {ip}]"
FIRST_ROW = 5  # its line number


def row(**change):
    names = HEADER.split("\t")
    cells = dict(zip(names, ["a-row", "mx+relay", "550", "5.1.1", "550", "5.1.1", "rcpt", "no",
                             "Text"]))
    cells.update(change)
    return "\t".join(cells[name] for name in names)


# What is wrong, the second row (or the whole file), and what the message must say.
BAD = [
    ("unknown hole", row(text="No {mailbox}"), "unknown hole {mailbox}"),
    ("empty hole", row(text="No {}"), "unknown hole {}"),
    ("open hole", row(text="No {rcpt"), "unbalanced braces"),
    ("closed hole", row(text="No rcpt}"), "unbalanced braces"),
    ("too many holes", row(text="{ip}" + " {ip}" * 8), "expected at most 8"),
    ("open group", row(text="No[ {rcpt}"), "a [ without its ]"),
    ("closed group", row(text="No {rcpt}]"), "a ] without its ["),
    ("nested group", row(text="No[ {rcpt}[ {ip}]]"), "do not nest"),
    ("group without hole", row(text="No[ such] mailbox"), "without a hole"),
    ("duplicate id", row(id="refused-it"), "stands in line 5 already"),
    ("duplicate symbol", row(id="Refused-it"), "expected lower case"),
    ("missing column", row().rsplit("\t", 1)[0], "expected 9"),
    ("one column more", row() + "\tmore", "expected 9"),
    ("empty column", row(stage=""), "8 filled columns of 9"),
    ("no text", row(text="-"), "empty text"),
    ("not ASCII", row(text="No m\u00e4il"), "printable ASCII"),
    ("control", row(text="No\x07"), "printable ASCII"),
    ("CR", row() + "\r", "printable ASCII"),
    ("blank at the end", row(text="Text "), "blanks"),
    ("full stop", row(text="Text."), "ends in '.'"),
    ("status of another class", row(status="4.1.1"), "expected the same class"),
    ("the same in the iana profile", row(status_iana="4.1.1"), "expected the same class"),
    ("the erratum in another row", row(code="454", status="5.5.1", code_iana="454",
                                       status_iana="4.5.1"), "expected the same class"),
    ("not a status", row(status="5.1"), "expected class.subject.detail"),
    ("not a code", row(code="5500"), "expected three digits"),
    ("code outside RFC 5321", row(code="571"), "expected three digits"),
    ("a success without ok-", row(code="250", status="2.0.0", code_iana="250",
                                  status_iana="2.0.0"), "expected 4yz or 5yz"),
    ("a refusal with ok-", row(id="ok-row"), "2yz or 3yz where the id begins ok-"),
    ("classes that differ", row(code_iana="450", status_iana="4.1.1"), "same class in both"),
    ("421 that stays open", row(code="421", status="4.3.0", code_iana="421",
                                status_iana="4.3.0"), "expected closes yes"),
    ("unknown service", row(services="mx+imap"), "service 'imap'"),
    ("unknown stage", row(stage="end"), "stage 'end'"),
    ("unknown closes", row(closes="maybe"), "closes 'maybe'"),
    ("bad id", row(id="a_row"), "id 'a_row'"),
    ("text too long", row(text="word " * 900 + "end"), "too long to be sure to fit"),
    ("word too long", row(text="w" * 600), "too long to be sure to fit"),
    ("success of two lines", row(id="ok-row", code="250", status="2.0.0", code_iana="250",
                                 status_iana="2.0.0", text="{rcpt} and {ip}"),
     "expected at most 1"),
]
BAD_FILES = [
    ("wrong header", [HEADER.replace("stage", "step")] + [BOTH], 1, "expected the columns"),
    ("nothing", [], 0, "no rows"),
    ("header alone", [HEADER], 1, "no rows"),
    ("unused hole", ["# hole rcpt its address", "# hole ip its address", HEADER,
                     row(text="No {rcpt}")], 2, "hole ip is used by no text"),
    ("hole twice", HOLES + ["# hole ip again", HEADER, BOTH], 4, "stands in line 3 already"),
    ("hole without meaning", ["# hole ip"] + HOLES + [HEADER, BOTH], 1, "without a meaning"),
]


def run(tool, folder, lines):
    """Exit status, what was said, and which outputs were made."""
    catalogue, ids, table = (os.path.join(folder, n) for n in ("r.tsv", "ids.h", "table.c"))
    for path in (ids, table):
        if os.path.exists(path):
            os.remove(path)
    with open(catalogue, "w", encoding="utf-8", newline="") as f:
        f.write("".join(line + "\n" for line in lines))
    done = subprocess.run([sys.executable, tool, catalogue, ids, table], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stderr, [p for p in (ids, table) if os.path.exists(p)], catalogue


def main(argv):
    tool = os.path.join(argv[1], "tools", "gen-replies.py")
    cases = [(name, HOLES + [HEADER, BOTH, line], FIRST_ROW + 1, says) for name, line, says in BAD]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        good = HOLES + [HEADER, BOTH, row(), row(id="ok-row", code="250", status="-",
                                                 code_iana="250", status_iana="-"),
                        row(id="starttls-repeated", code="454", status="5.5.1", code_iana="454",
                            status_iana="5.5.1", text='Say "when?" \\ so'),
                        "# A comment between."]
        status, said, made, _ = run(tool, folder, good)
        if status != 0 or said or len(made) != 2:
            print(f"good catalogue: status {status}, said: {said}")
            faults += 1
        for name, lines, number, says in cases + BAD_FILES:
            status, said, made, path = run(tool, folder, lines)
            where = f"{path}:{number}: "
            if status != 1 or made or not any(
                    line.startswith(where) and says in line for line in said.splitlines()):
                print(f"{name}: status {status}, made {made}, expected '{where}... {says}', "
                      f"said:\n{said}")
                faults += 1
    print(f"{len(cases) + len(BAD_FILES) + 1} catalogues, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
