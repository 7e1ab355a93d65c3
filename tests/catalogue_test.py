#!/usr/bin/env python3
"""Compares catalogue/replies.tsv with the rows that the design hands down
(../shared/catalogue/server_rows.tsv; the environment's POSTERN_SHARED names another place for
../shared). Without that folder there is nothing to compare with: exits 77, skipped.

    catalogue_test.py SOURCE_ROOT"""
import os
import re
import sys

# The iana profile's reply codes of the push service, where its own is not of RFC 5321 or means
# something else there. All others have one code in both profiles.
IANA_CODE = {
    "push-rcpt-count-exceeded": "550", "push-data-too-large": "552",
    "push-rcpt-suppressed": "550", "push-dns-error": "451", "push-dns-host-not-found": "550",
    "push-dns-no-data": "550", "push-connect-unreachable": "451", "push-peer-closed": "451",
    "push-quota-monthly": "550", "push-quota-daily": "550", "push-quota-insufficient": "550",
    "push-account-unavailable": "550",
}

# Which holes a text must have for a phrase of the row's evidence column; any one of a set will do.
EVIDENCE = [
    ("client ip", [{"ip"}]),
    ("ip netblock", [{"netblock"}]),
    ("dkim result", [{"dkim"}]),
    ("spf result", [{"spf"}]),
    ("spf domain", [{"spf_domain"}]),
    ("mail from domain", [{"spf_domain"}]),
    ("dkim domain", [{"dkim_domain"}]),
    ("domain (twice)", [{"domain"}]),
    ("domain(s) from helo and mail", [{"helo"}, {"domain"}]),
    ("domain of the policy", [{"domain"}]),
    ("command (", [{"command"}]),
    ("the address", [{"rcpt", "sender"}]),
    ("the argument", [{"argument"}]),
    ("number of attachments", [{"measured"}]),
    ("size in bytes", [{"size"}]),
    ("message size", [{"size"}]),
    ("limit of header fields", [{"fields_limit"}]),
    ("limit", [{"limit"}]),
    ("header name", [{"field"}]),
    ("sign-in url", [{"signin"}]),
    ("host", [{"remote"}]),
]
# Phrases of the evidence column that ask for nothing in the text, or are looked after elsewhere.
NO_HOLE = ["none (help url", "none (the url domain"]


def read(path):
    with open(path, encoding="utf-8", newline="\n") as f:
        lines = [line.rstrip("\n") for line in f if not line.startswith("#")]
    header = lines[0].split("\t")
    return {row["id"]: row for row in (dict(zip(header, line.split("\t"))) for line in lines[1:])}


def compare(want, got):
    """Yields what differs."""
    for id in want.keys() - got.keys():
        yield f"{id}: missing"
    for id in got.keys() - want.keys():
        if not id.startswith("ok-"):
            yield f"{id}: not among the rows handed down"
    for id in want.keys() & got.keys():
        w, g = want[id], got[id]
        pairs = [("services", w["system"]), ("code", w["code"]), ("status", w["enhanced"]),
                 ("code_iana", IANA_CODE.get(id, w["code"])), ("status_iana", w["iana"]),
                 ("stage", w["stage"]), ("closes", w["closes"])]
        for column, value in pairs:
            if g[column] != value:
                yield f"{id}: {column} is {g[column]}, expected {value}"


def check_evidence(want, got):
    for id in want.keys() & got.keys():
        evidence = want[id]["evidence"].lower()
        holes = set(re.findall(r"\{(\w+)\}", got[id]["text"]))
        if evidence.startswith(tuple(NO_HOLE)):
            continue
        known = evidence == "none"
        for phrase, needed in EVIDENCE:
            if phrase not in evidence:
                continue
            known = True
            for names in needed:
                if not names & holes:
                    yield f"{id}: '{phrase}' is evidence, expected a hole {' or '.join(names)}"
        if not known:
            yield f"{id}: no rule here for the evidence '{evidence}'"


def check_words(want, got):
    """Texts say whether the connection ends, and differ where the reader must tell rows apart."""
    seen = {}
    for id in want.keys() & got.keys():
        row = got[id]
        ends = re.search(r"clos(es|ing)|session ends|ends the session|connection ends",
                         row["text"]) is not None
        if ends != (row["closes"] == "yes"):
            yield f"{id}: the text {'says' if ends else 'does not say'} that the connection ends"
        bare = re.sub(r"\[[^]]*\]|\{\w+\}", "", row["text"])
        if bare in seen:
            yield f"{id}: without evidence it reads like {seen[bare]}"
        seen[bare] = id


def main(argv):
    root = argv[1]
    shared = os.environ.get("POSTERN_SHARED") or os.path.join(root, "..", "shared")
    path = os.path.join(shared, "catalogue", "server_rows.tsv")
    if not os.path.exists(path):
        print(f"skipped: no {path}")
        return 77
    want, got = read(path), read(os.path.join(root, "catalogue", "replies.tsv"))
    faults = [*compare(want, got), *check_evidence(want, got), *check_words(want, got)]
    for fault in sorted(faults):
        print(fault)
    print(f"{len(want)} rows compared, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
