"""The language of bounce patterns (catalogue/bounces/README.md), compiled.

A pattern becomes one or more variants. Of each, one stretch between gaps is looked for, all
variants' in one pass (tools/bounce-compile.c); where it stands the variant's two programs are run
from its start by src/bounce/pattern.c: `back` over what comes before it, `fore` over it and what
follows."""
import re

MASKS = {"addr": b"\x01", "ip": b"\x02", "host": b"\x03", "url": b"\x04", "id": b"\x05"}

# As in src/bounce/pattern.c.
OP_END, OP_LIT, OP_ALT, OP_JUMP, OP_GAP, OP_SEP, OP_PLUS, OP_LETTERS, OP_NUM, OP_OPT, OP_MASK, OP_BOUND = range(12)
LITERALS_MAX = 600  # looked at to choose the stretch of a variant
CALLS_MAX = 40  # operations in a row for which run() of src/bounce/pattern.c is called again


class BadPattern(Exception):
    pass


def parse(text):
    """Items: bytes (literal), ("alt", [sequence...]), ("gap",), ("sep",) ..."""
    seq, at = parse_alternatives(text, 0)
    if at != len(text):
        raise BadPattern("') without ('")
    if len(seq) != 1:
        raise BadPattern("'|' outside ( )")
    return seq[0]


def add_bytes(seq, octets):
    if seq and isinstance(seq[-1], bytes):
        seq[-1] += octets
    else:
        seq.append(octets)


def ends_in_letter(seq):
    if not seq:
        return False
    if isinstance(seq[-1], bytes):
        return seq[-1][-1] in LETTERS
    return seq[-1][0] == "plus" or (seq[-1][0] == "alt" and all(map(ends_in_letter, seq[-1][1])))


def parse_alternatives(text, i):
    alternatives, seq = [], []
    while i < len(text) and text[i] != ")":
        c = text[i]
        i += 1
        if c == "|":
            alternatives.append(seq)
            seq = []
        elif c == "(":
            inner, i = parse_alternatives(text, i)
            if i == len(text):
                raise BadPattern("( without )")
            i += 1
            node = ("alt", inner)
            times = re.match(r"\{([0-9]),([0-9])\}", text[i:])
            if times:
                i += times.end()
                low, high = int(times[1]), int(times[2])
                tail = []
                for _ in range(high - low):
                    tail = [("alt", [[node] + tail, []])]
                seq += [node] * low + tail
            else:
                seq.append(node)
        elif c == "\\":
            if i == len(text):
                raise BadPattern("ends in \\")
            add_bytes(seq, text[i].encode())
            i += 1
        elif c == "$":
            name = re.match(r"[a-z]*", text[i:]).group()
            if name == "any":
                seq.append(("mask",))
            elif name in MASKS:
                add_bytes(seq, MASKS[name])
            else:
                raise BadPattern(f"'${name}': expected one of {' '.join(MASKS)} any")
            i += len(name)
        elif c in "-~*+#":
            if c == "+" and not ends_in_letter(seq):
                seq.append(("letters",))
                continue
            seq.append(({"-": "opt", "~": "sep", "*": "gap", "+": "plus", "#": "num"}[c],))
        elif c.isupper():
            raise BadPattern(f"'{c}': texts are in lower case")
        elif c in "{}":
            raise BadPattern(f"{c} without a macro's name, or {{m,n}} behind no )")
        else:
            add_bytes(seq, c.encode())
    alternatives.append(seq)
    return alternatives, i


def step_of(item, limit):
    """[(literal, whether all of item is in it)]: with which of them a match of item begins. None: more
    than limit."""
    if isinstance(item, bytes):
        return [(item, True)]
    if item[0] == "opt":
        return [(b"", True), (b" ", True), (b"-", True), (b"_", True)]
    if item[0] == "mask":
        return [(m, True) for m in MASKS.values()]
    if item[0] != "alt":
        return [(b"", False)]
    step = []
    for alternative in item[1]:
        inner = prefixes_open(alternative, limit)
        if inner is None:
            return None
        step += inner
    return step


def prefixes(seq, limit):
    """Literals of which each match of seq begins with one; more octets are better. None: more
    than limit, or one may be empty."""
    done, going = [], [b""]
    for item in seq:
        step = step_of(item, limit)
        if step is None or step == [(b"", False)] or len(step) * len(going) + len(done) > limit:
            break
        done += [g + s for g in going for s, whole in step if not whole]
        going = [g + s for g in going for s, whole in step if whole]
        # Long enough to be rare; longer ones would only be more.
        if going and min(map(len, going)) >= 5:
            break
    out = sorted(set(done + going))
    # A literal that begins with another one is found with it.
    out = [o for o in out if not any(o != p and o.startswith(p) for p in out)]
    return None if not out or len(out[0]) == 0 or min(map(len, out)) == 0 else out


def prefixes_open(seq, limit):
    """[(literal, whether all of seq is in it)]"""
    out = [(b"", True)]
    for item in seq:
        step = step_of(item, limit)
        if step is None:
            return None
        out = [(o, False) for o, whole in out if not whole] + [
            (o + s, w) for o, whole in out if whole for s, w in step]
        if len(out) > limit:
            return None
    return sorted(set(out))


ALL = frozenset(range(256))
LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")
DIGITS = frozenset(b"0123456789")
FIRST = {"gap": ALL, "sep": frozenset(range(128)) - LETTERS - DIGITS, "plus": LETTERS, "letters": LETTERS,
         "num": DIGITS, "opt": frozenset(b" -_"), "mask": frozenset(b"\x01\x02\x03\x04\x05")}


def first(seq, back, follow):
    """The octets with which a match of seq, and what follows it, may begin in the direction of
    reading."""
    out = frozenset()
    for item in (reversed(seq) if back else seq):
        if isinstance(item, bytes):
            return out | {item[-1] if back else item[0]}
        if item[0] == "alt":
            inner = [first(a, back, frozenset([-1])) for a in item[1]]
            out = out.union(*inner)
            if -1 not in out:
                return out
            out -= {-1}
        else:
            out |= FIRST[item[0]]
            if item[0] in ("sep", "num", "mask", "gap"):
                return out
    return out | follow


def program(seq, back, follow=ALL):
    """follow: the octets that may come behind seq."""
    out, items = bytearray(), list(reversed(seq) if back else seq)
    for n, item in enumerate(items):
        if isinstance(item, bytes):
            for i in range(0, len(item), 255):
                part = item[::-1][i:i + 255] if back else item[i:i + 255]
                out += bytes([OP_LIT, len(part)]) + part
        elif item[0] == "alt":
            rest = items[n + 1:]
            behind = first(rest[::-1] if back else rest, back, follow)
            out += alternation(item[1], back, behind)
        else:
            out.append({"gap": OP_GAP, "sep": OP_SEP, "plus": OP_PLUS, "letters": OP_LETTERS, "num": OP_NUM,
                        "opt": OP_OPT, "mask": OP_MASK}[item[0]])
    return bytes(out)


def weight(seq):
    return sum(len(i) if isinstance(i, bytes) else max(map(weight, i[1]), default=0)
               if i[0] == "alt" else 1 for i in seq)


def calls(seq):
    """Of how many operations in a row the longest way through seq consists."""
    return sum(0 if isinstance(i, bytes) else 1 + max(map(calls, i[1])) if i[0] == "alt" else 1
               for i in seq)


def flatten(alternatives):
    """(a|(b|c)) is (a|b|c): fewer tries."""
    out = []
    for seq in alternatives:
        if len(seq) == 1 and not isinstance(seq[0], bytes) and seq[0][0] == "alt":
            out += flatten(seq[0][1])
        else:
            out.append(seq)
    return out


# Octets by what an alternation tells apart: each letter, the masks, a few signs, digits, the rest.
# As alt_class[] in src/bounce/pattern.c.
ALT_CLASSES = 40


def alt_class(octet):
    if 0x61 <= octet <= 0x7a:
        return octet - 0x61
    if 0x30 <= octet <= 0x39:
        return 26
    if 1 <= octet <= 5:
        return 26 + octet
    signs = b" -_.,:/"
    return 32 + signs.index(octet) if octet in signs else ALT_CLASSES - 1


def alternation(alternatives, back, follow):
    """ALT, for each class of octets which group may come, one for the end of the text, then the
    groups (n, n times where to), then the alternatives, each with a jump to the end. Offsets
    count from behind the table. Longest first, so that the span found is the longest."""
    alternatives = sorted(flatten(alternatives), key=lambda s: -weight(s))
    if len(alternatives) > 255:
        raise BadPattern("more than 255 alternatives")
    bodies = [program(s, back, follow) for s in alternatives]
    firsts = [first(s, back, follow) for s in alternatives]
    members = [[] for _ in range(ALT_CLASSES + 1)]
    for n, may in enumerate(firsts):
        for c in {alt_class(octet) for octet in may}:
            members[c].append(n)
        if len(may) != 1:  # it may be empty, or begin with what may be
            members[ALT_CLASSES].append(n)
    groups = sorted({tuple(m) for m in members if m})
    size = sum(1 + 2 * len(g) for g in groups)
    starts, at = [], size
    for code in bodies:
        starts.append(at)
        at += len(code) + 3
    where, table, here = {(): 0xffff}, bytearray(), 0
    for g in groups:
        where[g] = here
        here += 1 + 2 * len(g)
        table += bytes([len(g)]) + b"".join(starts[n].to_bytes(2, "little") for n in g)
    head = bytearray([OP_ALT]) + b"".join(where[tuple(m)].to_bytes(2, "little") for m in members)
    body = bytearray()
    for start, code in zip(starts, bodies):
        body += code + bytes([OP_JUMP]) + (at - start - len(code) - 3).to_bytes(2, "little")
    if at > 60000:
        raise BadPattern("too large")
    return bytes(head + table + body)


class Variant:
    """back, fore: programs. exact: all of it is in the stretch looked for, which begins at its start.
    conditions: programs of its other stretches, all of which must stand somewhere."""

    def __init__(self, back, fore, exact, conditions):
        self.back, self.fore, self.exact, self.conditions = back, fore, exact, conditions


def may_be_empty(seq):
    return all(not isinstance(i, bytes) and (
        any(map(may_be_empty, i[1])) if i[0] == "alt" else i[0] in ("plus", "letters", "opt", "gap"))
        for i in seq)


def goes_beyond(seq):
    """Whether the automaton stops before the end of seq, or does not count what it counts."""
    return any(not isinstance(i, bytes) and (i[0] in ("gap", "letters", "sep", "num") or (
        i[0] == "alt" and any(map(goes_beyond, i[1])))) for i in seq)


def stretches(seq):
    """seq, cut at its gaps."""
    out = [[]]
    for item in seq:
        if item == ("gap",):
            out.append([])
        else:
            out[-1].append(item)
    return out


def variants(text, words, frequency):
    """words: only whole words match. frequency(literal): how often texts hold it."""
    split = [parse(text)]
    while len(split[0]) == 1 and not isinstance(split[0][0], bytes) and split[0][0][0] == "alt":
        alternatives = split[0][0][1]
        if prefixes(split[0], LITERALS_MAX) and len(split) == 1 and all(
                all(isinstance(i, bytes) or i[0] in ("opt",) for i in a) for a in alternatives):
            break
        return [v for a in alternatives for v in variants_of(a, words, frequency)]
    return variants_of(split[0], words, frequency)


def variants_of(seq, words, frequency):
    best = None
    for k in range(len(seq)):
        literals = prefixes(seq[k:], LITERALS_MAX)
        if not literals:
            continue
        cost = sum(0.02 + frequency(l) for l in literals) + (5 if min(map(len, literals)) < 3 else 0)
        if best is None or cost < best[0]:
            best = (cost, k)
    if best is None:
        if len(seq) == 1 and not isinstance(seq[0], bytes) and seq[0][0] == "alt":
            return [v for a in seq[0][1] for v in variants_of(a, words, frequency)]
        for k, item in enumerate(seq):  # take an alternation apart until each has its literals
            if not isinstance(item, bytes) and item[0] == "alt":
                return [v for a in item[1]
                        for v in variants_of(joined(seq[:k] + a + seq[k + 1:]), words, frequency)]
        raise BadPattern("nothing in it is always there")
    if calls(seq) > CALLS_MAX:
        raise BadPattern(f"more than {CALLS_MAX} of ( ) - ~ * + # and masks in a row")
    k = best[1]
    while k > 0 and seq[k - 1] != ("gap",):
        k -= 1
    bound = bytes([OP_BOUND]) if words else b""
    others = stretches(seq[:k]) if k > 0 else []
    others += stretches(seq[k:])[1:]
    conditions = [program(s, False) + bound + bytes([OP_END]) for s in others
                  if words and not may_be_empty(s)]
    exact = words and not goes_beyond(seq)
    return [Variant(program(seq[:k], True) + bound + bytes([OP_END]),
                    program(seq[k:], False) + bound + bytes([OP_END]), exact, conditions)]


def joined(seq):
    out = []
    for item in seq:
        if isinstance(item, bytes):
            add_bytes(out, item)
        else:
            out.append(item)
    return out
