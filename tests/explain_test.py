#!/usr/bin/env python3
"""postern explain: what it takes, what it prints, what it returns.

    explain_test.py POSTERN"""
import csv
import gzip
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

postern = sys.argv[1]
BOUNCE = ("From: MAILER-DAEMON@mx.example\nTo: me@home.example\nSubject: failure notice\n\n"
          "<a@b.example>:\n550 5.1.1 User unknown\n\n<c@b.example>:\n552 5.2.2 Mailbox full\n")
LOG = ("Nov 22 07:00:00 mx postfix/smtp[1]: 4A: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, "
       "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 User unknown)\n"
       "Nov 22 07:00:01 mx kernel: link up\n"
       "Nov 22 07:00:02 mx postfix/smtp[1]: 4B: to=<c@d.example>, relay=none, dsn=4.4.1, "
       "status=deferred (connect to mx.d.example[192.0.2.2]:25: Connection timed out)\n")


def run(*words, stdin="", status=0, env=None):
    done = subprocess.run([postern, "explain", *words], input=stdin.encode(), capture_output=True,
                          timeout=60, env={**os.environ, "LC_ALL": "C", **(env or {})})
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return done.stdout.decode("utf-8")


def objects(*words, **more):
    return [json.loads(line) for line in run("--json", *words, **more).splitlines()]


def test_text():
    one, = objects("550 5.1.1 User unknown")
    keys = {"file", "n", "recipient", "class", "kind", "action", "scope", "status", "code", "reply",
            "rule", "confidence", "retry_after_s"}
    assert keys <= set(one), keys - set(one)
    assert (one["class"], one["kind"], one["status"], one["code"], one["n"]) == (
        "invalid-recipient", "hard", "5.1.1", 550, 1)
    assert objects("--", "550", "5.1.1", "User", "unknown")[0]["class"] == "invalid-recipient"
    assert objects("nothing to see")[0]["class"] == "unclassified"
    assert objects("--why", "552 5.2.2 mailbox full")[0]["why"][0]["class"] == "mailbox-full"


def test_people():
    text = run("550 5.1.1 User unknown")
    for label in ("What happened", "Who must act", "What to do now", "The address", "How sure",
                  "postern explain --class invalid-recipient"):
        assert label in text, label
    assert "发生了什么" in run("--lang", "zh-CN", "550 5.1.1 User unknown")
    assert "Vad som hände" in run("550 5.1.1 User unknown", env={"LC_ALL": "sv_SE.UTF-8"})
    nasty = run("550 5.1.1 \x1b[31mno\x07 such \u009b2J user")
    assert "\x1b" not in nasty and "\x07" not in nasty and "\u009b" not in nasty


def test_inputs(folder):
    mail = folder / "one.eml"
    mail.write_text(BOUNCE)
    two = objects("-f", str(mail))
    assert [(o["n"], o["recipient"]) for o in two] == [(1, "a@b.example"), (2, "c@b.example")]
    assert two[0]["file"] == str(mail) and two[0]["message"] == "failed"
    assert len(objects("-", stdin=BOUNCE)) == 2
    assert len(objects("-", stdin=BOUNCE.replace("\n", "\r\n"))) == 2

    mbox = "".join(f"From x Sun Nov 22 07:00:0{i} 2026\n{BOUNCE}\nFrom here on text\n\n" for i in range(5))
    numbers = [o["n"] for o in objects("-", stdin=mbox)]
    assert numbers == list(range(1, 11)), numbers
    (folder / "md/cur").mkdir(parents=True)
    (folder / "md/new").mkdir()
    (folder / "md/tmp").mkdir()
    (folder / "md/cur/1").write_text(BOUNCE)
    (folder / "md/new/2").write_text(BOUNCE)
    (folder / "md/tmp/3").write_text(BOUNCE)
    assert len(objects("-f", str(folder / "md"))) == 4
    assert len(objects("-f", str(folder))) == 2

    letter, = objects("-", stdin="From: a@b.example\nTo: c@d.example\nSubject: x\n\nhello\n")
    assert (letter["class"], letter["kind"], letter["recipient"]) == ("not-a-failure", "none", "")
    event, = objects("-", stdin='[{"email":"a@b.example","event":"bounce","reason":"550 5.1.1 no user"}]')
    assert event["recipient"] == "a@b.example"

    lines = objects("-", stdin=LOG)
    assert [(o["recipient"], o["delivery"]) for o in lines] == [("a@b.example", "failed"),
                                                               ("c@d.example", "delayed")]
    many = objects("-", stdin="550-5.1.1 no\n550 5.1.1 such user\n552 5.2.2 full\n\nhello\n")
    assert [o["code"] for o in many] == [550, 552]
    assert "such user" in many[0]["reply"]
    run("-f", str(folder / "missing"), status=4)


def test_pasted(folder):
    """What people hand over: quoted, broken by a mail program, from Windows, or no text at all."""
    quoted = ("> 550-5.7.26 This mail is unauthenticated, which poses a\n"
              "> 550 5.7.26 security risk\n")
    one, = objects("-", stdin=quoted)
    assert (one["class"], one["status"]) == ("auth-missing", "5.7.26"), one
    broken = ("The server said: 452 4.2.2 The email account that you tried to reach is\n"
              "over quota. Please direct the recipient to\n  https://support.example\n")
    assert objects("-", stdin=broken)[0]["class"] == "mailbox-full"
    one, = objects("-", stdin=broken.removeprefix("The server said: "))
    assert "is over quota. Please direct the recipient to https" in one["reply"], one
    one, = objects("-", stdin="> <bob@b.example>: host mx.b.example[192.0.2.1] said: 550 5.1.1\n>    "
                              "Recipient address rejected: User unknown (in reply to RCPT TO\n> command)\n")
    assert one["class"] == "invalid-recipient"
    # A list has a result a line; lines of one reply are one, unless they say another status.
    replies = [f"550 5.1.1 <u{i}@far.example>: User unknown" for i in range(12)]
    replies += ["552-5.2.3 Your message is too large", "552 5.7.1 virus found", "Relaying denied", "xyzzy",
                "452-4.2.2 Mailbox\n452 4.2.2 full"]
    got = objects("-", stdin="\n".join(replies) + "\n")
    assert [o["class"] for o in got[12:]] == ["message-too-large", "content-blocked", "relay-denied", "unclassified",
                                             "mailbox-full"], got[12:]
    assert len(got) == len(replies) == got[-1]["n"]
    for encoding in ("utf-16", "utf-8-sig"):
        wide = folder / encoding
        wide.write_bytes("550 5.1.1 User unknown\r\n".encode(encoding))
        assert objects("-f", str(wide))[0]["class"] == "invalid-recipient", encoding
    for octets, word in ((gzip.compress(BOUNCE.encode()), "zcat"), (b"\xd0\xcf\x11\xe0" + b"\0" * 99, "Outlook"),
                         (b"", "it is empty"), (b"hello\nworld\n", "no bounce, no reply")):
        odd = folder / "odd"
        odd.write_bytes(octets)
        done = subprocess.run([postern, "explain", "-f", str(odd)], capture_output=True, timeout=60)
        assert done.stdout == b"" and word in done.stderr.decode(), (word, done)
        assert done.returncode == (4 if word in ("zcat", "Outlook") else 1), (word, done)  # 1: the answer is no
    assert "Nobody: nothing failed" not in run("nothing to see")
    run("--lang", "xx", "550 x", status=2)


def test_logs():
    """Our own log of four servers: each line that tells of a failure, and no other."""
    here = pathlib.Path(__file__).parent
    with open(here / "explain_mail.tsv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    log = (here / "explain_mail.log").read_text(encoding="utf-8")
    got = objects("-", stdin=log)
    assert len(got) == len(rows), (len(got), len(rows))
    for n, (o, row) in enumerate(zip(got, rows), 1):
        assert o["n"] == n
        for key in row.keys() - {"line"}:
            assert str(o[key] or "") == row[key], (row["line"], key, o[key], row[key])
    assert len(objects("-", stdin=log.replace("\n", "\r\n"))) == len(rows)


def test_stream():
    """An answer comes before more is read, and memory does not grow with the input."""
    p = subprocess.Popen([postern, "explain", "--json", "-"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdin.write(LOG.encode())
    p.stdin.flush()
    assert b"a@b.example" in p.stdout.readline()
    assert b"c@d.example" in p.stdout.readline()
    p.stdin.close()
    p.stdout.read()
    assert p.wait(timeout=60) == 0
    if b"__asan_init" in pathlib.Path(postern).read_bytes():
        return  # a sanitizer reserves far more addresses than the bound below
    limit = "ulimit -v 200000; exec "  # kB; the input is as large
    command = f"{limit} {postern} explain --summary --json -"
    p = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for _ in range(100):
        p.stdin.write((LOG * 2000).encode())
    p.stdin.close()
    assert json.loads(p.stdout.read())["total"] == 400000
    assert p.wait(timeout=60) == 0


def test_summary():
    got = json.loads(run("--summary", "--json", "-", stdin=LOG * 3))
    assert got["total"] == 6
    assert {c["name"]: c["count"] for c in got["domain"]} == {"b.example": 3, "d.example": 3}
    assert got["class"][0]["share"] == 0.5
    rows = list(csv.DictReader(io.StringIO(run("--summary", "--csv", "-", stdin=LOG))))
    assert rows[0] == {"group": "total", "name": "", "count": "2", "share": "1"}
    assert {r["name"] for r in rows if r["group"] == "class"} >= {"invalid-recipient"}
    assert "invalid-recipient" in run("--summary", "-", stdin=LOG)


def test_pages():
    page = json.loads(run("--json", "--class", "mailbox-full"))
    assert page["title"] and page["cause"] and page["remedy"] and page["language"] == "en"
    assert json.loads(run("--json", "--row", "rcpt-rate-too-fast"))["code"] == "450"
    assert "450" in run("--row", "rcpt-rate-too-fast", "--lang", "zh-CN")
    rows = objects("--rows")
    assert len(rows) == len(run("--rows").splitlines()) == 141
    assert {"row", "stage", "code", "status", "code_iana", "status_iana", "closes", "text"} <= set(rows[0])
    run("--csv", "550 x", status=2)
    run("--row", "nothing", status=1)
    run("--class", "nothing", status=1)
    for words, said in ((("--row", "rcpt-too-mani"), "did you mean rcpt-too-many?"),
                        (("--class", "mailbox-ful"), "did you mean mailbox-full?"),
                        (("--class", "nothing"), "there are:")):
        done = subprocess.run([postern, "explain", *words], capture_output=True, timeout=60)
        assert said in done.stderr.decode(), done
    rules = objects("--rules")
    assert len(rules) > 100 and all(r["class"] and r["rule"] for r in rules)
    assert len(run("--rules").splitlines()) == len(rules)


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def complaint(*words, stdin="", **env):
    """What it says on standard error, in English by the environment unless that says otherwise."""
    done = subprocess.run([postern, "explain", *words], input=stdin.encode(), capture_output=True,
                          timeout=60, env={**os.environ, "LC_ALL": "C", **env})
    return done.stderr.decode("utf-8")


def lines_fit(text, where):
    for line in text.splitlines():
        assert columns(line) <= 80 or " " not in line.strip(), (where, columns(line), line)
        assert not line.strip().startswith(tuple("、。，；：！？）」”")), (where, line)
        assert not line.endswith(tuple("（「“")), (where, line)


def test_languages():
    """All that people read is in their language, and keeps its columns."""
    here = pathlib.Path(__file__).parent
    with open(here.parent / "catalogue/explain/words.tsv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader((line for line in f if not line.startswith("#")), delimiter="\t",
                                   quoting=csv.QUOTE_NONE))
    words = {lang: {r["id"]: r[lang] for r in rows} for lang in ("en", "sv", "zh-CN", "zh-TW")}
    rules = objects("--rules")
    replies = {o["class"]: o["example"] for o in rules if o["example"][:1] in "245"}
    assert len(replies) > 30, sorted(replies)
    some = "\n".join(replies[name] for name in sorted(replies)) + "\n"
    for lang, word in words.items():
        english = {words["en"][i] for i in word} - set(word.values())
        page = run("--class", "loop", "--lang", lang)
        lines_fit(page, lang)
        assert word["class-id"].replace("{id}", "loop") in page, page
        told = run("--lang", lang, "-", stdin=some)
        lines_fit(told, lang)
        assert told.count("postern explain --class") >= len(replies), (lang, told)
        if lang != "en":
            said = "".join(told.split())
            left = [e for e in english if "{" not in e and len(e) > 16 and "".join(e.split()) in said]
            assert not left, (lang, left)
        labels = ("reply", "what-happened", "who-acts", "what-now", "address", "how-sure", "more")
        at = set()
        for line in run("--lang", lang, "552 5.2.2 mailbox full").splitlines():
            for label in labels:
                if line.startswith("  " + word[label] + " "):
                    at.add(columns(line) - columns(line[2 + len(word[label]):].lstrip()))
        assert at == {20}, (lang, at)  # one column for all texts
        table = run("--summary", "--lang", lang, "-", stdin=LOG).splitlines()
        assert table[0] == word["total"].replace("{n}", "2"), table
        heads = [n for n, line in enumerate(table) if word["count"] in line]
        assert len(heads) == 3, table
        for n in heads:
            name = table[n][table[n].index(word["share"]) + len(word["share"]):].lstrip()
            assert columns(table[n]) - columns(name) == 20, table[n]
        assert word["none"] in "\n".join(table), table  # no provider
        for said, given in (("err-what", []), ("err-one", ["x", "--rules"]), ("err-value", ["-f"]), ("err-csv", ["--csv", "x"]),
                            ("err-missing", ["-f", str(here / "no-such-file")])):
            assert word[said] in complaint(*given, "--lang", lang) or said == "err-value", (lang, said)
            locale = lang.replace("-", "_") + ".UTF-8"
            assert word[said] in complaint(*given, LC_ALL=locale), (lang, said)
        assert word["err-near"].replace("{word}", "--summary") in complaint("--sumary", "x", "--lang", lang)
        assert word["err-near"].replace("{word}", "mailbox-full") in complaint(
            "--lang", lang, "--class", "mailbox-ful")
        assert word["err-empty"] in complaint("--lang", lang, "-")
        assert word["err-nothing"] in complaint("--lang", lang, "-", stdin="hello\nworld\n")
        for reply, first in (("450 4.1.1 user unknown", "if-it-fails"),
                             ("454 4.7.1 relay access denied", "once-cured")):
            first = "".join(word[first].replace("{remedy}", "").split())
            assert first in "".join(run("--lang", lang, reply).split()), (lang, reply)
            assert first not in "".join(run("--lang", lang, "5" + reply[1:]).split()), (lang, reply)
        for reply, who in (("554 5.4.6 mail loop detected", "who-loop"), ("550 5.1.1 user unknown", "who-recipient")):
            told = run("--lang", lang, reply)
            assert "".join(word[who].split()) in "".join(told.split()), (lang, who, told)
        assert "".join(word["address-block"].split()) in "".join(
            run("--lang", lang, "550 too many recipients").split())
        for seconds, time in ((90, ("seconds", 90)), (300, ("minutes", 5)), (14400, ("hours", 4))):
            time = word["wait"].replace("{time}", word[time[0]].replace("{n}", str(time[1])))
            told = "".join(run("--lang", lang, f"450 4.7.1 Greylisted, try again in {seconds} seconds").split())
            assert "".join(time.split()) in told, (lang, seconds, told)
    assert complaint("--lang", "xx", "x", LC_ALL="", LANG="sv_SE.UTF-8").startswith(
        "postern explain: " + words["sv"]["err-lang"])


def test_usage():
    for words in ([], ["--nonsense", "x"], ["-f"], ["x", "-f", "y"], ["--lang"]):
        run(*words, status=2)


def main():
    with tempfile.TemporaryDirectory() as name:
        test_inputs(pathlib.Path(name))
    with tempfile.TemporaryDirectory() as name:
        test_pasted(pathlib.Path(name))
    for test in (test_text, test_people, test_logs, test_stream, test_summary, test_pages, test_languages, test_usage):
        test()


if __name__ == "__main__":
    main()
