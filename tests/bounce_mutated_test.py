#!/usr/bin/env python3
"""The labelled mails of ../shared/bounces in other shapes that leave the truth as it is: passed on by
people, quoted, encoded anew, with footers, broken on the way. Counts how far `postern explain` still
finds recipient and class, and compares with bounce_mutated.floor.

    bounce_mutated_test.py POSTERN SOURCE_ROOT [--print] - --print shows each that is wrong

Every second mail is taken, in turn, to stay within a few seconds. A recipient counts where the text
that is left names him, a class where the mail itself gives that class. Skipped (77) where ../shared
is not there (POSTERN_SHARED names another place)."""
import base64
import collections
import csv
import email
import email.header
import html
import json
import os
import pathlib
import quopri
import re
import subprocess
import sys
import tempfile
import textwrap

postern, root = sys.argv[1], pathlib.Path(sys.argv[2])
shared = pathlib.Path(os.environ.get("POSTERN_SHARED", root / "../shared"))
verbose = "--print" in sys.argv
if not (shared / "bounces/labels.tsv").exists():
    sys.exit(77)
PLAIN = "text/plain; charset=utf-8"


def table(path):
    with open(path, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


class Mail:
    """What a mail says to people, to machines, and of the original."""

    def __init__(self, path):
        self.raw = path.read_bytes()
        head = re.search(rb"\r?\n\r?\n", self.raw)
        self.head = self.raw[:head.start()] if head else self.raw
        self.body = self.raw[head.end():] if head else b""
        self.notice = self.html = self.machine = self.original = ""
        message = email.message_from_bytes(self.raw)
        self.read(message)
        if not self.notice.strip():
            text = re.sub(r"(?is)<(style|script|head).*?</\1>", "", self.html)
            text = re.sub(r"(?i)<(br|/p|/div|/tr|/li|/h\d)[^>]*>", "\n", text)
            self.notice = html.unescape(re.sub(r"<[^>]*>", "", text))
        self.notice = re.sub(r"\r\n?", "\n", self.notice).rstrip("\n") + "\n"
        self.author = self.field(message, "From", "MAILER-DAEMON@mx.example")
        self.to = self.field(message, "To", "me@home.example")
        self.subject = self.field(message, "Subject", "(none)")

    @staticmethod
    def field(message, name, otherwise):
        try:
            value = email.header.make_header(email.header.decode_header(str(message.get(name, otherwise))))
        except Exception:  # no charset of this world
            value = message.get(name, otherwise)
        return " ".join(str(value).split())

    @staticmethod
    def text(part):
        octets = part.get_payload(decode=True) or b""
        for charset in (part.get_content_charset() or "utf-8", "utf-8", "latin-1"):
            try:
                return octets.decode(charset)
            except (UnicodeDecodeError, LookupError):
                pass
        return ""

    def read(self, part):
        kind = part.get_content_type()
        inner = part.get_payload() if part.is_multipart() else []
        if re.fullmatch(r"message/(global-)?(delivery-status|disposition-notification|feedback-report)", kind):
            self.machine += "\n".join("".join(f"{k}: {v}\n" for k, v in p.items()) for p in inner)
        elif kind.startswith("message/") and inner:
            self.original = self.original or "".join(f"{k}: {v}\n" for k, v in inner[0].items())
        elif inner:
            for p in inner:
                self.read(p)
        elif kind == "text/rfc822-headers":
            self.original = self.original or self.text(part)
        elif kind == "text/html":
            self.html = self.html or self.text(part)
        elif kind.startswith("text/") and not self.notice.strip():
            self.notice = self.text(part)

    def all(self):
        return "\n".join(s.rstrip("\n") + "\n" for s in (self.notice, self.machine, self.original) if s)

    def head_without(self, *names):
        out, skip = [], False
        for line in self.head.replace(b"\r\n", b"\n").split(b"\n"):
            skip = skip if line[:1] in (b" ", b"\t") else line.split(b":")[0].strip().lower() in names
            out += [] if skip else [line + b"\n"]
        return b"".join(out)


def word(s):
    return s if s.isascii() else "=?utf-8?B?" + base64.b64encode(s.encode("utf-8", "replace")).decode() + "?="


def encoded(body, encoding):
    octets = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    if encoding == "base64":
        return base64.encodebytes(octets)
    return quopri.encodestring(octets) if encoding == "quoted-printable" else octets


def person(subject, body, kind=PLAIN, encoding="8bit"):
    """A letter of somebody else."""
    head = ("Return-Path: <alice@people.example>\nFrom: Alice Miller <alice@people.example>\n"
            f"To: Bob <bob@people.example>\nSubject: {word(subject)}\nMIME-Version: 1.0\n"
            f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n")
    return head.encode() + encoded(body, encoding)


def anew(m, body, kind=PLAIN, encoding="8bit"):
    """The mail itself, with the notice as its body."""
    head = m.head_without(b"content-type", b"content-transfer-encoding", b"mime-version", b"content-disposition")
    return (head + f"MIME-Version: 1.0\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode()
            + encoded(body, encoding))


def marked(text, mark="> "):
    return "".join((mark + line).rstrip() + "\n" for line in text.rstrip("\n").split("\n"))


def address(s):
    found = re.search(r"[\w.+=-]+@[\w.-]+", s)
    return found.group(0) if found else s


HEADS = {
    "thunderbird": "-------- Forwarded Message --------\nSubject: {s}\nDate: Mon, 6 May 2024 10:11:12 +0200\nFrom: {f}\nTo: {t}\n",
    "gmail": "---------- Forwarded message ---------\nFrom: {f}\nDate: Mon, May 6, 2024 at 10:11 AM\nSubject: {s}\nTo: <{ta}>\n",
    "outlook": "From: {f}\nSent: Monday, May 6, 2024 10:11 AM\nTo: {t}\nSubject: {s}\n",
    "notes": "----- Forwarded by Alice Miller/People on 05/06/2024 12:11 PM -----\n\nFrom:\t{f}\nTo:\t{t}\nDate:\t05/06/2024 10:11 AM\nSubject:\t{s}\n",
    "german": "-----Ursprüngliche Nachricht-----\nVon: {f}\nGesendet: Montag, 6. Mai 2024 10:11\nAn: {t}\nBetreff: {s}\n",
    "french": "-------- Message transféré --------\nSujet : {s}\nDate : lun. 6 mai 2024\nDe : {f}\nPour : {t}\n",
    "spanish": "-----Mensaje original-----\nDe: {f}\nEnviado el: lunes, 6 de mayo de 2024 10:11\nPara: {t}\nAsunto: {s}\n",
    "russian": "От: {f}\nОтправлено: 6 мая 2024 г. 10:11\nКому: {t}\nТема: {s}\n",
    "netease": "---- 转发的邮件 ----\n| 发件人 | {f}<{fa}> |\n| 日期 | 2024年05月06日 10:11 |\n| 收件人 | <{ta}> |\n| 主题 | {s} |\n",
    "japanese": "-----元のメッセージ-----\n差出人: {f}\n送信日時: 2024年5月6日 10:11\n宛先: {t}\n件名: {s}\n",
    "korean": "-----원본 메시지-----\n보낸 사람: {f}\n보낸 날짜: 2024년 5월 6일 10:11\n받는 사람: {t}\n제목: {s}\n",
}


def head_of(name, m):
    return HEADS[name].format(s=m.subject, f=m.author, t=m.to, fa=address(m.author), ta=address(m.to))


def forwarded(name, whole=False, mark=""):
    def shape(m):
        text = head_of(name, m) + "\n" + (m.all() if whole else m.notice)
        return person("Fwd: " + m.subject, "Could you look into this?\n\nAlice, alice@people.example\n\n"
                      + (marked(text, mark) if mark else text))
    return shape


def answered(subject, above, mark="> ", whole=False):
    def shape(m):
        return person(subject + m.subject, "What does this mean?\n\n" + above.format(f=m.author) + "\n"
                      + marked(m.all() if whole else m.notice, mark) + "\n-- \nAlice, alice@people.example\n")
    return shape


def attached(part_head, encode=False):
    def shape(m):
        raw = base64.encodebytes(m.raw) if encode else m.raw
        return (person("Fwd: " + m.subject, b"", 'multipart/mixed; boundary="x1"') + b"--x1\n\nAlice, "
                b"alice@people.example\n\n--x1\n" + part_head + b"\n\n" + raw + b"\n--x1--\n")
    return shape


def as_html(m):
    return html.escape(m.notice).replace("\n", "<br>\n")


def html_forward(m):
    head = "".join(f"<b>{k}:</b> {html.escape(v)}<br>\n"
                   for k, v in (("From", m.author), ("Sent", "6 May 2024"), ("To", m.to), ("Subject", m.subject)))
    return person("FW: " + m.subject, f"<html><body><p>alice@people.example</p><hr><div>{head}</div>"
                  f"<p>{as_html(m)}</p></body></html>", "text/html; charset=utf-8", "quoted-printable")


def wrapped(m):
    return anew(m, "\n".join(part for line in m.notice.split("\n") for part in textwrap.wrap(
        line, 60, break_long_words=False, break_on_hyphens=False) or [""]))


LIST = ("\n_______________________________________________\nStaff mailing list -- staff@lists.people.example\n"
        "To unsubscribe send an email to staff-leave@lists.people.example\n")
DISCLAIMER = ("\n\nThis e-mail is confidential. If you are not the intended recipient, please delete this\n"
              "message and notify privacy@people.example. Delivery to any other address is not permitted.\n")
KEPT = rb"(?im)^(from|to|subject|date|content-[a-z-]*|mime-version):.*\n(?:[ \t].*\n)*"

SHAPES = {
    **{"forwarded " + name: forwarded(name) for name in HEADS},
    "forwarded whole": forwarded("gmail", whole=True),
    "forwarded, marked": forwarded("outlook", mark="> "),
    "forwarded in HTML": html_forward,
    "forwarded twice": lambda m: person("Fwd: Fwd: " + m.subject, HEADS["gmail"].format(
        f="Carol <carol@people.example>", s="Fwd: " + m.subject, ta="alice@people.example")
        + "\ncarol@people.example\n\n" + head_of("gmail", m) + "\n" + m.notice),
    "answered": answered("Re: ", "On Mon, 6 May 2024 at 10:11, {f} wrote:\n"),
    "answered whole": answered("AW: ", "Am 06.05.2024 um 10:11 schrieb {f}:", whole=True),
    "answered, bars": answered("Re: ", "", "| "),
    "attached": attached(b"Content-Type: message/rfc822"),
    "attached as a file": attached(b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n"
                                   b'Content-Disposition: attachment; filename="bounce.eml"', True),
    "in HTML": lambda m: anew(m, "<html><body><div>" + as_html(m).replace("<br>\n", "</div><div>"),
                              "text/html; charset=utf-8", "base64"),
    "in <pre>": lambda m: anew(m, f"<html><body><pre>{html.escape(m.notice)}</pre></body></html>",
                               "text/html; charset=utf-8", "quoted-printable"),
    "in UTF-16": lambda m: anew(m, m.notice.encode("utf-16", "replace"), "text/plain; charset=utf-16", "base64"),
    "wrapped": wrapped,
    "indented": lambda m: anew(m, marked(m.notice, "    ")),
    "to a list": lambda m: anew(m, m.notice + LIST),
    "disclaimer": lambda m: anew(m, m.notice + DISCLAIMER),
    "line ends": lambda m: b"".join(line + (b"\r\n" if i % 3 else b"\n") for i, line in
                                    enumerate(m.raw.replace(b"\r\n", b"\n").split(b"\n"))),
    "mbox": lambda m: b"From x Mon May  6 10:11:12 2024\n" + re.sub(rb"(?m)^From ", b">From ", m.raw),
    "few fields": lambda m: b"".join(f.group(0) for f in re.finditer(
        KEPT, m.head.replace(b"\r\n", b"\n") + b"\n")) + b"\n" + m.body,
    "says it is a text": lambda m: m.head_without(b"content-type") + b"Content-Type: text/plain\n\n" + m.body,
    "wrong boundary": lambda m: re.sub(rb'(?i)(boundary="?)', rb"\1zz", m.head) + b"\n\n" + m.body,
    "no last boundary": lambda m: re.sub(rb"\r?\n--[^\r\n]+--\s*$", b"\n", m.raw),
    "status as octets": lambda m: m.head + b"\n\n" + re.sub(
        rb"(?i)content-type: message/(global-)?delivery-status", b"Content-Type: application/octet-stream", m.body),
    "cut off": lambda m: m.raw[:len(m.raw) * 8 // 10],
}
WHOLE = {"attached", "attached as a file", "line ends", "mbox", "few fields", "says it is a text",
         "wrong boundary", "no last boundary", "status as octets", "cut off"}


def explain(folder):
    run = subprocess.run([postern, "explain", "--json", "-f", str(folder)], capture_output=True, check=True,
                         timeout=300)
    results = collections.defaultdict(list)
    for line in run.stdout.decode("utf-8").splitlines():
        result = json.loads(line)
        results[pathlib.Path(result["file"]).name].append(result)
    return results


def score(name, rows, mail, got, plain, count):
    """One mail: what is found of its labels, and whether anybody is called bad who is not."""
    labelled = {row["recipient"].lower() for row in rows}
    text = mail.all() if name.endswith("whole") else mail.notice
    for result in got:
        if result["kind"] == "hard" and result["recipient"] and result["recipient"].lower() not in labelled \
                and not any(p["recipient"] == result["recipient"] for p in plain):
            count["bad strangers"] += 1
            print(f"{name}: {result['file']}: {result['recipient']} is no recipient: {result['reply'][:100]}")
    for row in rows:
        of = [[r for r in results if r["recipient"].lower() == row["recipient"].lower()] for results in (got, plain)]
        if not of[1] or (name not in WHOLE and row["recipient"].lower() not in text.lower()):
            continue
        accept = row["accept"].split(",")
        count["recipients"] += 1
        count["found"] += bool(of[0])
        good = bool(of[0]) and of[0][0]["class"] in accept
        count["class"] += good
        if of[0] and of[0][0]["kind"] == "hard" and not any(kinds[c] == "hard" for c in accept):
            count["false suppressions"] += 1
            print(f"{name}: {of[0][0]['file']}: FALSE SUPPRESSION of {row['recipient']}")
        if verbose and not good:
            print(f"{name}: {of[1][0]['file']}: {row['recipient']}: "
                  f"{[(r['recipient'], r['class'], r['reply'][:80]) for r in got[:2]]}, not {row['accept']}")


kinds = {row["class"]: row["kind"] for row in table(shared / "catalogue/taxonomy.tsv")}
labels = collections.defaultdict(list)
for row in table(shared / "bounces/labels.tsv"):
    labels[row["file"]].append(row)
# An automatic answer or a complaint in another mail is just a letter.
names = [n for n in sorted(labels) if labels[n][0]["class"] not in ("auto-reply", "feedback-report")]
mails = {name: Mail(shared / "bounces/messages" / name) for name in names}
plain = explain(shared / "bounces/messages")
floors = {row["shape"]: row for row in table(root / "tests/bounce_mutated.floor")}
limits = collections.Counter()
worse = set(floors) - set(SHAPES) - {"bad strangers", "false suppressions"}
with tempfile.TemporaryDirectory() as folder:
    for i, shape in enumerate(SHAPES):
        place = pathlib.Path(folder) / str(i)
        place.mkdir()
        taken = names[i % 2::2]
        for name in taken:
            (place / name).write_bytes(SHAPES[shape](mails[name]))
        results, count = explain(place), collections.Counter()
        for name in taken:
            score(shape, labels[name], mails[name], results[name], plain[name], count)
        limits.update(count)
        figures = [100 * count[key] / count["recipients"] for key in ("found", "class")]
        floor = floors.get(shape, {"recipients": "0", "class": "0"})
        below = figures[0] < float(floor["recipients"]) - 0.005 or figures[1] < float(floor["class"]) - 0.005
        worse |= {shape} if below else set()
        print(f"{shape:22} recipients {figures[0]:6.2f} (at least {floor['recipients']}), "
              f"class {figures[1]:6.2f} (at least {floor['class']}){'  WORSE' if below else ''}")
for name in ("bad strangers", "false suppressions"):
    most = int(floors[name]["recipients"])
    worse |= {name} if limits[name] > most else set()
    print(f"{name:22} {limits[name]}, at most {most}")
sys.exit(bool(worse))
