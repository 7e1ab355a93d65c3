"""The catalogue of replies as tests see it, and whether what a server said is a row of it.

Written against catalogue/replies.tsv and RFC 5321 4.2, not against the code that renders."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINE_MAX = 512  # octets with CRLF, RFC 5321 4.5.3.1.5


class NotARow(Exception):
    pass


class Row:
    """A row in one profile."""

    def __init__(self, fields, profile):
        self.id = fields["id"]
        iana = "_iana" if profile == "iana" else ""
        self.code = fields["code" + iana]
        status = fields["status" + iana]
        self.status = "" if status == "-" else status
        self.closes = fields["closes"] == "yes"
        self.refusal = not self.id.startswith("ok-")
        self.pattern = self.compile(fields["text"])

    def compile(self, text):
        """The text as a pattern: holes match anything, [groups] may be missing."""
        out = ""
        for piece in re.split(r"(\{[a-z_0-9]+\}|\[|\])", text):
            if piece.startswith("{"):
                out += ".*"
            elif piece == "[":
                out += "(?:"
            elif piece == "]":
                out += ")?"
            else:
                out += re.escape(piece)
        end = r" - (?:rule \S+ )?([0-9a-z]{12}) postern" if self.refusal else ""
        return re.compile("^" + out + end + "$", re.S)

    def matches(self, reply):
        return (self.code == reply.code and self.status == reply.status
                and self.pattern.match(reply.text) is not None)


def read_cells():
    """Each row: name of the column -> cell."""
    names = None
    for line in (ROOT / "catalogue" / "replies.tsv").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if names is None:
            names = cells
            continue
        yield dict(zip(names, cells))


def read_catalogue(profile):
    """id -> Row"""
    return {row.id: row for row in (Row(cells, profile) for cells in read_cells())}


def is_last(line):
    """Is it the last line of a reply? Raises where it is no line of one."""
    if len(line) + 2 > LINE_MAX:
        raise NotARow(f"{len(line) + 2} octets in a line: {line}")
    if re.search(r"[^\x20-\x7e]", line) or not re.match(r"^[2-5]\d\d([ -]|$)", line):
        raise NotARow(f"not a line of a reply: {line!r}")
    return line[3:4] != "-"


class Reply:
    """All lines of one reply, without CRLF."""

    def __init__(self, lines):
        self.lines = lines
        self.code = lines[0][:3]
        if any(line[:3] != self.code for line in lines):
            raise NotARow(f"more than one code in one reply: {lines}")
        texts = [line[4:] for line in lines]
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)", texts[0])
        self.status = found.group(1) if found else ""
        self.keywords = []
        if self.status:
            if self.code[0] in "45" and any(not t.startswith(self.status + " ") for t in texts):
                raise NotARow(f"status code not on each line: {lines}")
            texts = [t[len(self.status) + 1:] if t.startswith(self.status) else t for t in texts]
        if self.code[0] in "45":
            self.text = " ".join(texts)
        else:  # of a reply that is no refusal the row is the first line; keywords follow
            self.text, self.keywords = texts[0], texts[1:]

    def session(self):
        found = re.search(r"([0-9a-z]{12}) postern$", self.text)
        return found.group(1) if found else None

    def __str__(self):
        return " | ".join(self.lines)


def unescape(text):
    """What base/log.h writes as \\xHH, back."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m.group(1), 16)), text)


class LogChecker:
    """Looks at every reply in a log written with level = debug: is each the row it says?"""

    def __init__(self, profile):
        self.rows = read_catalogue(profile)
        self.pending = {}  # session -> (row, lines)
        self.count = 0
        self.seen = set()

    def feed(self, line):
        found = re.match(r'session=([0-9a-z]{12}) .* event=reply row=(\S+) line=(.*)$', line)
        if found is None:
            return
        session, name, text = found.groups()
        text = unescape(text[1:-1] if text.startswith('"') else text)
        if not text.endswith("\r\n"):
            raise NotARow(f"a reply that does not end in CRLF: {line}")
        text = text[:-2]
        self.pending.setdefault(session, (name, []))[1].append(text)
        if is_last(text):
            name, lines = self.pending.pop(session)
            self.check(session, name, Reply(lines))

    def check(self, session, name, reply):
        row = self.rows.get(name)
        if row is None or not row.matches(reply):
            raise NotARow(f"this reply is not the row {name} of the catalogue: {reply}")
        if row.refusal and reply.session() != session:
            raise NotARow(f"a refusal that does not end in its session's id {session}: {reply}")
        self.count += 1
        self.seen.add(name)

    def end(self):
        if self.pending:
            raise NotARow(f"replies without an end: {self.pending}")


def check_log(text, profile, unended=False):
    """Returns how many replies there were and which rows they were; raises NotARow.
    unended: the server was killed, so the last replies may lack their ends."""
    checker = LogChecker(profile)
    for line in text.splitlines():
        checker.feed(line)
    if not unended:
        checker.end()
    return checker.count, checker.seen
