#!/usr/bin/env python3
"""Compiles catalogue/replies.tsv into reply_ids.h (the enum) and reply_table.c (the rows).

    gen-replies.py REPLIES.TSV REPLY_IDS.H REPLY_TABLE.C

The file's format is described at its own top. Each fault found is printed as
FILE:LINE: message; with any, nothing is written and the exit status is 1."""
import re
import sys

COLUMNS = ["id", "services", "code", "status", "code_iana", "status_iana", "stage", "closes",
           "text"]
SERVICES = {"mx", "submission", "relay", "admin-policy", "push"}
STAGES = {"connect", "helo", "starttls", "auth", "mail", "rcpt", "data", "eom", "bdat",
          "session", "queue"}
# As published; see the head of the catalogue.
MIXED_CLASSES = {("starttls-repeated", "454", "5.5.1")}
# Filled in by the end of a rule's refusal rather than by a text.
MARKER_HOLE = "rule"

# Also in src/reply/reply.h; the generated table asserts that they agree.
LINE_MAX, LINES_MAX, HOLES_MAX = 512, 8, 8
VALUE_MAX, URL_MAX = 320, 256

HOLE = re.compile(r"\{([^{}]*)\}")


class Row:
    def __init__(self, cells):
        for name, cell in zip(COLUMNS, cells):
            setattr(self, name, "" if cell == "-" else cell)
        self.refusal = not self.id.startswith("ok-")
        self.symbol = "REPLY_" + self.id.replace("-", "_")


def longest_lines(row, status):
    """How many lines the reply takes when every value has its full length and no blank (which
    is the worst, since a blank is one more place to break), and its longest word."""
    text = re.sub(r"[\[\]]", "", row.text)
    text = HOLE.sub("x" * (VALUE_MAX + 3), text)
    if row.refusal:
        text += "; see " + "x" * (URL_MAX + 12) + " - rule " + "x" * (VALUE_MAX + 3)
        text += " " + "x" * 12 + " postern"
    room = LINE_MAX - len("550-\r\n") - (len(status) + 1 if status else 0)
    lines, used = 1, 0
    for word in text.split(" "):
        if used and used + 1 + len(word) > room:
            lines, used = lines + 1, 0
        used += len(word) + (1 if used else 0)
    return lines, max(len(word) for word in text.split(" ")) - room


def check_groups(text):
    """Optional groups: flat, closed, each with a hole."""
    depth, start = 0, 0
    for at, c in enumerate(text):
        if c == "[":
            if depth:
                return "a [ inside [...]: groups do not nest"
            depth, start = 1, at
        elif c == "]":
            if not depth:
                return "a ] without its ["
            if not HOLE.search(text[start:at]):
                return "[...] without a hole in it would never be left out"
            depth = 0
    return "a [ without its ]" if depth else None


def check_text(row, holes):
    text = row.text
    if not text:
        yield "empty text"
        return
    if not all(" " <= c <= "~" for c in text):
        yield "the text holds something else than printable ASCII"
    if text != text.strip() or "  " in text:
        yield "blanks at an end of the text, or two in a row"
    if text[-1] in ".;,:":
        yield f"the text ends in '{text[-1]}': what is appended brings its own"
    fault = check_groups(text)
    if fault:
        yield fault
    names = HOLE.findall(text)
    for name in names:
        if name not in holes:
            yield f"unknown hole {{{name}}}: expected one of the '# hole NAME' lines"
    if re.search(r"[{}]", HOLE.sub("", text)):
        yield "unbalanced braces: expected {name}"
    if len(names) > HOLES_MAX:
        yield f"{len(names)} holes, expected at most {HOLES_MAX}"
    for status in (row.status, row.status_iana):
        lines, over = longest_lines(row, status)
        # The lines after the first of an EHLO reply are keywords, so it may not be broken.
        most = LINES_MAX if row.refusal else 1
        if lines > most or over > 0:
            yield (f"the text is too long to be sure to fit: {lines} lines with the longest "
                   f"values, expected at most {most} of {LINE_MAX} octets"
                   + (", and no word longer than one" if over > 0 else ""))
            return


def check_code(row, code, status, profile):
    if not re.fullmatch(r"[2-5][0-5][0-9]", code):
        yield f"{profile} code '{code}', expected three digits by RFC 5321"
        return
    if row.refusal != (code[0] in "45"):
        yield f"{profile} code {code}: expected 4yz or 5yz, or 2yz or 3yz where the id begins ok-"
    if not status:
        return
    if not re.fullmatch(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", status):
        yield f"{profile} status '{status}', expected class.subject.detail, or - for none"
    elif status[0] != code[0] and (row.id, code, status) not in MIXED_CLASSES:
        yield f"{profile} code {code} with status {status}: expected the same class"


def check_row(row, holes):
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", row.id):
        yield f"id '{row.id}', expected lower case words joined by -"
    for service in row.services.split("+"):
        if service not in SERVICES:
            yield f"service '{service}', expected one of {' '.join(sorted(SERVICES))}"
    if row.stage not in STAGES:
        yield f"stage '{row.stage}', expected one of {' '.join(sorted(STAGES))}"
    if row.closes not in ("yes", "no"):
        yield f"closes '{row.closes}', expected yes or no"
    yield from check_code(row, row.code, row.status, "gmail")
    yield from check_code(row, row.code_iana, row.status_iana, "iana")
    if row.code[:1] != row.code_iana[:1]:
        yield f"codes {row.code} and {row.code_iana}: expected the same class in both profiles"
    if "421" in (row.code, row.code_iana) and row.closes != "yes":
        yield "421 says that the connection ends: expected closes yes"
    yield from check_text(row, holes)


def read_rows(path, report):
    """The rows; faults go to report(line number, message)."""
    holes, rows, where, header = {MARKER_HOLE: 0}, [], {}, False
    number = 0
    with open(path, encoding="latin-1", newline="\n") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                hole = re.fullmatch(r"# hole (\S+)(\s+\S.*)?", line)
                if hole and not re.fullmatch(r"[a-z][a-z0-9_]*", hole[1]):
                    report(number, f"hole '{hole[1]}', expected a lower case name")
                elif hole and not hole[2]:
                    report(number, f"hole {hole[1]} without a meaning")
                elif hole and holes.get(hole[1]):
                    report(number, f"hole {hole[1]} stands in line {holes[hole[1]]} already")
                elif hole:
                    holes[hole[1]] = number
                continue
            cells = line.split("\t")
            if not header:
                header = True
                if cells != COLUMNS:
                    report(number, "header, expected the columns " + " ".join(COLUMNS))
                continue
            if len(cells) != len(COLUMNS) or "" in cells:
                report(number, f"{sum(c != '' for c in cells)} filled columns of {len(cells)}, "
                               f"expected {len(COLUMNS)} parted by tabs (- for nothing)")
                continue
            row = Row(cells)
            if row.symbol in where:
                report(number, f"id {row.id} stands in line {where[row.symbol]} already")
            where.setdefault(row.symbol, number)
            for fault in check_row(row, holes):
                report(number, f"{row.id}: {fault}")
            rows.append(row)
    used = {MARKER_HOLE}.union(*(HOLE.findall(row.text) for row in rows))
    for name, at in holes.items():
        if name not in used:
            report(at, f"hole {name} is used by no text")
    if not rows:
        report(number, "no rows")
    return rows


def c_string(s):
    # Only printable ASCII comes here; ?? is escaped for trigraphs.
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"').replace("??", "?\\?") + '"'


def write_ids(path, rows):
    with open(path, "w", encoding="ascii") as f:
        f.write("/* reply/reply_ids.h - made by tools/gen-replies.py from catalogue/replies.tsv */\n"
                "#ifndef REPLY_REPLY_IDS_H\n#define REPLY_REPLY_IDS_H\n"
                "enum reply_id {\n    REPLY_NONE = 0,\n")
        for row in rows:
            f.write(f"    {row.symbol},\n")
        f.write("    REPLY_ID_COUNT\n};\n#endif\n")


def write_table(path, rows):
    with open(path, "w", encoding="ascii") as f:
        f.write('/* reply/reply_table.c - made by tools/gen-replies.py from catalogue/replies.tsv */\n'
                '#include "reply/table.h"\n\n'
                f'_Static_assert(REPLY_LINE_MAX == {LINE_MAX} && REPLY_LINES_MAX == {LINES_MAX} &&\n'
                f'                   REPLY_HOLES_MAX == {HOLES_MAX} && REPLY_VALUE_MAX == {VALUE_MAX} &&\n'
                f'                   REPLY_URL_MAX == {URL_MAX},\n'
                '               "the generator must check with the limits of reply.h");\n\n'
                "const struct reply_row reply_rows[REPLY_ID_COUNT] = {\n")
        for row in rows:
            flags = (f".closes = {str(row.closes == 'yes').lower()}, "
                     f".refusal = {str(row.refusal).lower()}")
            f.write(f"    [{row.symbol}] = {{\n"
                    f"        .id = {c_string(row.id)},\n"
                    f"        .services = {c_string(row.services)}, .stage = {c_string(row.stage)},\n"
                    f"        .code = {{{row.code}, {row.code_iana}}},\n"
                    f"        .status = {{{c_string(row.status)}, {c_string(row.status_iana)}}},\n"
                    f"        .text = {c_string(row.text)},\n"
                    f"        {flags},\n    }},\n")
        f.write("};\n")


def main(argv):
    if len(argv) != 4:
        sys.stderr.write(__doc__)
        return 2
    faults = []
    rows = read_rows(argv[1], lambda line, text: faults.append((line, text)))
    for line, text in sorted(faults):
        sys.stderr.write(f"{argv[1]}:{line}: {text}\n")
    if faults:
        return 1
    write_ids(argv[2], rows)
    write_table(argv[3], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
