#!/usr/bin/env python3
"""Compiles catalogue/bounces into the classifier's tables.

    gen-bounce-rules.py FOLDER BOUNCE_IDS.H BOUNCE_TABLE.C CONCEPTS.C EXAMPLES

FOLDER holds the files of NO_RULES and the rules, all other *.tsv; README.md there
describes the columns and the language of patterns. BOUNCE_IDS.H gets the enums, BOUNCE_TABLE.C
the tables, CONCEPTS.C the table of concepts and EXAMPLES the rules' examples in the columns of
labelled.tsv, both for tools/bounce-train.c. Each fault is printed as FILE:LINE: message; with any, nothing is written
and the exit status is 1."""
import functools
import pathlib
import random
import re
import sys

from bounce_pattern import MASKS, BadPattern, parse, variants

RULE_COLUMNS = ["id", "class", "weight", "when", "pattern", "source", "example"]
CLASS_COLUMNS = ["class", "group", "kind", "scope", "temporary", "permanent", "definition",
                 "advice"]
MARK_COLUMNS = ["what", "value", "pattern"]
MACRO_COLUMNS = ["name", "expansion"]
RETRY_COLUMNS = ["id", "unit", "pattern", "expect", "example"]
CONCEPT_COLUMNS = ["concept", "words"]
SAYINGS = 4  # texts made of each pattern, for what words teach
NO_RULES = ["classes.tsv", "concepts.tsv", "labelled.tsv", "macros.tsv", "marks.tsv", "retry.tsv"]

KINDS = {"none": "BOUNCE_NO_FAILURE", "hard": "BOUNCE_HARD", "soft": "BOUNCE_SOFT",
         "block": "BOUNCE_BLOCK", "by-code": "BOUNCE_BLOCK"}
STAGES = ["unknown", "connect", "helo", "starttls", "auth", "mail", "rcpt", "data", "eom", "queue"]
SUBSCOPES = ["none", "ip", "netblock", "connections", "address", "domain", "spf-domain",
             "dkim-domain", "url-domain", "message-id", "header", "attachment", "day", "month"]
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "clock": 0}

faults = []
macros = {}


def fault(path, line, message):
    faults.append(f"{path}:{line}: {message}")


def rows(path, columns):
    """(line number, {column: cell}) of a table; "-" is the empty cell."""
    header = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if header is None:
            header = cells
            if cells != columns:
                fault(path, number, f"columns are {cells}, expected {columns}")
                return
            continue
        if len(cells) != len(columns):
            fault(path, number, f"{len(cells)} cells, expected {len(columns)}")
            continue
        yield number, {n: ("" if c == "-" else c) for n, c in zip(columns, cells)}


def expand(pattern):
    def one(m):
        if m[1] not in macros:
            raise BadPattern(f"no {{{m[1]}}} in macros.tsv")
        return macros[m[1]]
    for _ in range(3):  # an expansion may use another macro
        pattern = re.sub(r"\{([a-z]+)\}", one, pattern)
    return pattern


def cstr(text):
    out = []
    for b in text.encode():
        if b in b'"\\?':
            out.append("\\" + chr(b))
        elif 32 <= b < 127:
            out.append(chr(b))
        else:
            out.append(f"\\{b:03o}")
    return '"' + "".join(out) + '"'


def symbol(name):
    return name.upper().replace("-", "_")


def parse_codes(text):
    """ "550,4yz" -> [(550, 3), (4, 1)]: value and how many digits count."""
    out = []
    for part in text.split(","):
        if re.fullmatch(r"[1-9][0-9]{2}", part):
            out.append((int(part), 3))
        elif re.fullmatch(r"[2-5][0-9]z", part):
            out.append((int(part[:2]), 2))
        elif re.fullmatch(r"[2-5]yz", part):
            out.append((int(part[0]), 1))
        else:
            raise ValueError(f"code '{part}', expected 550, 55z or 5yz")
    if len(out) > 4:
        raise ValueError("more than 4 codes")
    return out


def parse_status(text):
    m = re.fullmatch(r"([245x])\.([0-9]{1,3})\.([0-9]{1,3}|x)(?:-([0-9]{1,3}))?", text)
    if not m:
        raise ValueError(f"status '{text}', expected 5.1.1, x.1.1, x.1.x or 5.7.606-649")
    low = 0 if m[3] == "x" else int(m[3])
    high = 999 if m[3] == "x" else int(m[4] or m[3])
    if int(m[2]) >= SUBJECTS:
        raise ValueError(f"subject {m[2]}, expected 0 to {SUBJECTS - 1}")
    return (0 if m[1] == "x" else int(m[1]), int(m[2]), low, high)


class Rule:
    def __init__(self, path, number, cells, world):
        self.where = (path, number)
        self.cells = cells
        self.codes, self.status, self.stages = [], None, 0
        self.provider, self.kind, self.subscope, self.channel = "none", None, "none", "text"
        if not re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", cells["id"]):
            fault(*self.where, f"id '{cells['id']}', expected lower case words joined by - or .")
        if cells["class"] not in world["classes"]:
            fault(*self.where, f"no class '{cells['class']}'")
        if not re.fullmatch(r"[1-9][0-9]?", cells["weight"]):
            fault(*self.where, f"weight '{cells['weight']}', expected 1 to 99")
        for condition in cells["when"].split():
            name, _, value = condition.partition("=")
            try:
                self.condition(name, value, world)
            except ValueError as e:
                fault(*self.where, f"{condition}: {e}")
        if not cells["pattern"] and not self.codes and not self.status and not self.stages:
            fault(*self.where, "neither a pattern nor a code, status or stage")
        if not cells["example"]:
            fault(*self.where, "no example")

    def condition(self, name, value, world):
        if name == "code":
            self.codes = parse_codes(value)
        elif name == "status":
            self.status = parse_status(value)
        elif name == "stage":
            for stage in value.split(","):
                self.stages |= 1 << STAGES.index(stage)
        elif name == "provider":
            if value not in world["providers"]:
                raise ValueError("no such provider in marks.tsv")
            self.provider = value
        elif name == "kind":
            if value not in ("soft", "block"):
                raise ValueError("expected soft or block: only a class makes a verdict hard")
            self.kind = KINDS[value]
        elif name == "sub":
            SUBSCOPES.index(value)
            self.subscope = value
        elif name == "in" and value == "url":
            self.channel = value
        else:
            raise ValueError("no such condition")


SUBJECTS, CODE_MIN, CODES, CONDITIONS_MAX = 8, 200, 400, 3  # as in src/bounce/table.h


def order(rule):
    """Pattern first, then by the status's subject and least detail, then the rest."""
    if rule.cells["pattern"]:
        return (0, 0, 0)
    return (1, *rule.status[1:3]) if rule.status else (1, SUBJECTS, 0)


def by_code(rules):
    """For each code, and for all others, the rules with neither pattern nor status that may fit."""
    plain = [(i, r) for i, r in enumerate(rules) if order(r) == (1, SUBJECTS, 0)]
    starts, out = [], []
    for code in [*range(CODE_MIN, CODE_MIN + CODES), None]:
        starts.append(len(out))
        out += [i for i, r in plain if not r.codes or (
            code and any(str(code).startswith(str(value)) for value, _ in r.codes))]
    return starts + [len(out)], out


def read(folder):
    world = {"classes": [], "class_rows": [], "providers": ["none"], "marks": [], "retry": [],
             "rules": []}
    for number, cells in rows(folder / "classes.tsv", CLASS_COLUMNS):
        if cells["kind"] == "":
            cells["kind"] = "none"
        world["classes"].append(cells["class"])
        world["class_rows"].append(cells)
    for number, cells in rows(folder / "macros.tsv", MACRO_COLUMNS):
        macros[cells["name"]] = cells["expansion"]
    for number, cells in rows(folder / "marks.tsv", MARK_COLUMNS):
        if cells["what"] in ("provider", "provider-text"):
            if cells["value"] not in world["providers"]:
                world["providers"].append(cells["value"])
        elif cells["what"] != "doubt" and (cells["what"] != "stage" or cells["value"] not in STAGES):
            fault(folder / "marks.tsv", number, "expected provider, provider-text, stage or doubt")
        world["marks"].append((number, cells))
    for number, cells in rows(folder / "retry.tsv", RETRY_COLUMNS):
        if cells["unit"] not in UNITS:
            fault(folder / "retry.tsv", number, f"unit, expected one of {' '.join(UNITS)}")
        world["retry"].append((number, cells))
    seen = {}
    for path in sorted(folder.glob("*.tsv")):
        if path.name in NO_RULES:
            continue
        for number, cells in rows(path, RULE_COLUMNS):
            rule = Rule(path, number, cells, world)
            if cells["id"] in seen:
                fault(path, number, f"id {cells['id']} stands in {seen[cells['id']]} too")
            seen[cells["id"]] = f"{path.name}:{number}"
            world["rules"].append(rule)
    # Those without a text come last: the classifier goes through them by itself.
    world["rules"].sort(key=order)
    return world


class Compiled:
    """All patterns: variants in the order of their pattern's id, and programs."""

    def __init__(self, world, folder):
        texts = "\n".join(r.cells["example"].lower() for r in world["rules"])
        self.corpus = texts.encode()
        self.rows, self.code, self.where = [], bytearray(), {}
        self.conditions = []
        rules = [r for r in world["rules"] if r.cells["pattern"]]
        for i, r in enumerate(rules):
            self.add(r.where, i, r.cells["pattern"], r.channel == "url", r.channel != "url")
        n = len(rules)
        for number, cells in world["marks"]:
            host = cells["what"] == "provider"
            text = cells["pattern"] if not host else (
                "." + cells["pattern"].replace("-", "\\-") + "(/|\\\n)")
            self.add((folder / "marks.tsv", number), n, text, host, not host)
            n += 1
        for number, cells in world["retry"]:
            self.add((folder / "retry.tsv", number), n, cells["pattern"], False, True)
            n += 1

    @functools.lru_cache(None)
    def frequency(self, literal):
        return self.corpus.count(literal)

    def program(self, code):
        if code not in self.where:
            self.where[code] = len(self.code)
            self.code += code
        return self.where[code]

    def add(self, where, pattern_id, text, in_url, words):
        try:
            found = variants(expand(text), words, self.frequency)
        except BadPattern as e:
            fault(*where, f"pattern: {e}")
            return
        for v in found:
            conditions = [self.condition(c) for c in v.conditions][:CONDITIONS_MAX]
            self.rows.append((pattern_id, in_url, v.exact, conditions, self.program(v.back),
                              self.program(v.fore)))

    def condition(self, code):
        where = self.program(code)
        if where not in self.conditions:
            self.conditions.append(where)
        return self.conditions.index(where) + 1

    def table(self):
        out = [f"const struct bounce_variant bounce_variant_table[BOUNCE_VARIANTS_N] = {{"]
        out += [f"    {{{i}, {'true' if u else 'false'}, {'true' if e else 'false'}, "
                f"{{{', '.join(map(str, c)) or 0}}}, {b}, {f}}}," for i, u, e, c, b, f in self.rows]
        out += ["};", "const uint32_t bounce_condition_programs[BOUNCE_CONDITIONS_N] = {"]
        out += [f"    {where}," for where in self.conditions]
        out += ["};", "const unsigned char bounce_programs[] = {"]
        for i in range(0, len(self.code), 24):
            out.append("    " + ", ".join(map(str, self.code[i:i + 24])) + ",")
        out += ["};", f"const size_t bounce_programs_len = {len(self.code)};", ""]
        return "\n".join(out)


def ids_header(world, compiled):
    out = ["/* Generated by tools/gen-bounce-rules.py from catalogue/bounces. */",
           "#ifndef BOUNCE_IDS_H", "#define BOUNCE_IDS_H", "enum bounce_class {"]
    for i, name in enumerate(world["classes"]):
        out.append(f"    BOUNCE_{symbol(name)}{' = 0' if i == 0 else ''},")
    out += ["};", "enum bounce_provider {"]
    for i, name in enumerate(world["providers"]):
        out.append(f"    BOUNCE_PROVIDER_{symbol(name)}{' = 0' if i == 0 else ''},")
    texts = sum(1 for r in world["rules"] if r.cells["pattern"])
    out += ["};", "enum {", f"    BOUNCE_CLASSES_N = {len(world['classes'])},",
            f"    BOUNCE_PROVIDERS_N = {len(world['providers'])},",
            f"    BOUNCE_RULES_N = {len(world['rules'])},",
            f"    BOUNCE_RULES_TEXT_N = {texts}, /* the first ones, which have a pattern */",
            f"    BOUNCE_MARKS_N = {len(world['marks'])},",
            f"    BOUNCE_RETRY_N = {len(world['retry'])},",
            f"    BOUNCE_VARIANTS_N = {len(compiled.rows)}, /* of patterns */",
            f"    BOUNCE_CONDITIONS_N = {len(compiled.conditions)}, /* of variants */", "};", "#endif", ""]
    return "\n".join(out)


def rule_row(r):
    codes = ", ".join(f"{{{c}, {n}}}" for c, n in r.codes)
    status = "{%d, %d, %d, %d}" % r.status if r.status else "{0, 0, 0, 0}"
    return ("    {.code = {%s}, .code_n = %d, .status = %s, .has_status = %s,\n"
            "     .klass = BOUNCE_%s, .weight = %s, .stages = %d,\n"
            "     .provider = BOUNCE_PROVIDER_%s, .has_kind = %s, .kind = %s,\n"
            "     .subscope = BOUNCE_SUBSCOPE_%s, .in_url = %s}," % (
                codes or "{0, 0}", len(r.codes), status, "true" if r.status else "false",
                symbol(r.cells["class"]), r.cells["weight"], r.stages, symbol(r.provider),
                "true" if r.kind else "false", r.kind or "BOUNCE_NO_FAILURE",
                symbol(r.subscope), "true" if r.channel == "url" else "false"))


def info_row(r):
    return "    {%s, %s, %s, %s, %s, BOUNCE_%s, %s}," % (
        cstr(r.cells["id"]), cstr(r.cells["pattern"]), cstr(r.cells["when"]),
        cstr(r.cells["source"]), cstr(r.cells["example"]), symbol(r.cells["class"]),
        r.cells["weight"])


def table(world):
    out = ["/* Generated by tools/gen-bounce-rules.py from catalogue/bounces. */",
           '#include "bounce/table.h"', "",
           "const struct bounce_class_info bounce_class_table[BOUNCE_CLASSES_N] = {"]
    for c in world["class_rows"]:
        out.append("    {%s, %s, %s, %s, %s, BOUNCE_SCOPE_%s, BOUNCE_ACT_%s, BOUNCE_ACT_%s}," % (
            cstr(c["class"]), cstr(c["group"]), cstr(c["definition"]), cstr(c["advice"]),
            KINDS[c["kind"]], symbol(c["scope"]), symbol(c["temporary"]),
            symbol(c["permanent"])))
    out += ["};", "const char *const bounce_provider_names[BOUNCE_PROVIDERS_N] = {"]
    out += [f"    {cstr(p)}," for p in world["providers"]]
    out += ["};", "const struct bounce_rule bounce_rule_table[BOUNCE_RULES_N] = {"]
    out += [rule_row(r) for r in world["rules"]]
    out += ["};", "const struct bounce_rule_info bounce_rule_infos[BOUNCE_RULES_N] = {"]
    out += [info_row(r) for r in world["rules"]]
    out += ["};", "const uint16_t bounce_rules_of_subject[BOUNCE_SUBJECTS + 1] = {"]
    out += [f"    {sum(1 for r in world['rules'] if order(r) < (1, n, 0))},"
            for n in range(SUBJECTS + 1)]
    starts, rules = by_code(world["rules"])
    out += ["};", "const uint16_t bounce_rules_of_code[BOUNCE_CODES + 2] = {"]
    out += [f"    {n}," for n in starts]
    out += ["};", "const uint16_t bounce_code_rules[] = {"]
    out += [f"    {n}," for n in rules]
    out += ["};", "const struct bounce_mark bounce_mark_table[BOUNCE_MARKS_N] = {"]
    for _, m in world["marks"]:
        provider = m["value"] if m["what"].startswith("provider") else "none"
        stage = m["value"] if m["what"] == "stage" else "unknown"
        out.append(f"    {{BOUNCE_PROVIDER_{symbol(provider)}, BOUNCE_STAGE_{symbol(stage)}, "
                   f"{str(m['what'] == 'provider').lower()}, {str(m['what'] == 'doubt').lower()}}},")
    out += ["};", "const struct bounce_retry bounce_retry_table[BOUNCE_RETRY_N] = {"]
    for _, r in world["retry"]:
        out.append(f"    {{{cstr(r['id'])}, {UNITS[r['unit']]}, {r['expect']}, "
                   f"{cstr(r['example'])}}},")
    out += ["};", ""]
    return "\n".join(out)


def word_hash(octets):
    """As hash_of(WORD, hash_octets(octets)) in src/bounce/words.c."""
    factor, bits = 0x9e3779b97f4a7c15, (1 << 64) - 1
    h = len(octets) * factor & bits
    for at in range(0, len(octets) // 8 * 8 + 1, 8):
        h = (h ^ int.from_bytes(octets[at:at + 8], "little")) * factor & bits
        h ^= h >> 32
    return ((h ^ ord("w")) * factor & bits) >> 32


def concepts(path):
    """The table of bounce_concept: open, at most half full."""
    entries, concept = {}, 0
    for number, cells in rows(path, CONCEPT_COLUMNS):
        concept += 1
        for word in cells["words"].split():
            h = word_hash(MASKS.get(word[1:], word.encode()) if word[0] == "$" else word.encode())
            if h in entries:
                fault(path, number, f"'{word}' stands in two rows, or hashes as another word")
            entries[h] = concept
    if concept > 255:
        fault(path, number, "more than 255 concepts")
    size = 1 << (2 * len(entries)).bit_length()
    table = [(0, 0)] * size
    for h, concept in sorted(entries.items()):
        i = h % size
        while table[i][1] != 0:
            i = (i + 1) % size
        table[i] = (h, concept)
    return "\n".join(["/* Generated by tools/gen-bounce-rules.py from catalogue/bounces. */",
                      '#include "bounce/words.h"',
                      f"const uint32_t bounce_concept_mask = {size - 1};",
                      "const struct bounce_concept bounce_concept_table[] = {",
                      *(f"    {{{h}U, {c}}}," for h, c in table), "};", ""])


WRITTEN = {"gap": " ", "sep": " ", "plus": "", "letters": "", "num": "5", "opt": " ", "mask": " example.com "}
MASK_TEXTS = {"\1": "joe@example.com", "\2": "192.0.2.1", "\3": "mail.example.com",
              "\4": "https://example.com/", "\5": "4f7a1b2c3d4e5f60"}


def written(seq, chance):
    """One of the texts that a pattern matches."""
    out = []
    for item in seq:
        if isinstance(item, bytes):
            out.append(item.decode())
        elif item[0] == "alt":
            out.append(written(chance.choice(item[1]), chance))
        else:
            out.append(WRITTEN[item[0]])
    return "".join(out)


def examples(world):
    """Each rule's own, and some of what its pattern says besides, behind the example's code."""
    out = []
    for r in world["rules"]:
        start = f"{r.cells['class']}\t{r.cells['class']}\t\t"
        out.append(start + r.cells["example"] + "\n")
        if r.channel == "url" or not r.cells["pattern"]:
            continue
        seq, chance = parse(expand(r.cells["pattern"])), random.Random(r.cells["id"])
        code = re.match(r"([0-9]{3}[ -])?([0-9]\.[0-9]+\.[0-9]+ )?", r.cells["example"])[0]
        for text in {written(seq, chance): 0 for _ in range(SAYINGS)}:
            text = re.sub("[\1-\5]", lambda m: f" {MASK_TEXTS[m[0]]} ", text)
            out.append(start + code + " ".join(text.split()) + "\n")
    return "".join(out)


def main():
    folder = pathlib.Path(sys.argv[1])
    world = read(folder)
    compiled = Compiled(world, folder)
    concept_table = concepts(folder / "concepts.tsv")
    if faults:
        print("\n".join(faults))
        return 1
    pathlib.Path(sys.argv[2]).write_text(ids_header(world, compiled))
    pathlib.Path(sys.argv[3]).write_text(table(world) + compiled.table())
    pathlib.Path(sys.argv[4]).write_text(concept_table)
    pathlib.Path(sys.argv[5]).write_text(examples(world), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
