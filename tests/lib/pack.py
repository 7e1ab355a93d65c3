"""Archives for scenarios, by a description: zip(a.txt, in.dat=tgz(b/c.exe), d=@program).

formats  zip, tar, tgz, tbz, txz, gz, bz2, xz (the last three hold one file, whose name is lost)
file     NAME (content "x"), NAME=@KIND (first octets of that kind), NAME=FORMAT(...)
"""
import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile

KINDS = {
    "program": b"MZ" + b"\0" * 58 + b"\x40\0\0\0" + b"PE\0\0" + b"\0" * 200,
    "elf": b"\x7fELF" + b"\0" * 60,
    "compound": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "VBA\0".encode("utf-16-le"),
    "blanks": b"PK\3\4" + b" " * 30_000_000,
}
TAR = {"tar": "w", "tgz": "w:gz", "tbz": "w:bz2", "txz": "w:xz"}
ONE = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def build(kind, files):
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
    elif kind in TAR:
        with tarfile.open(fileobj=out, mode=TAR[kind]) as archive:
            for name, content in files:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        return ONE[kind](files[0][1])
    return out.getvalue()


def pack(text):
    """The octets of a description."""
    tokens = re.findall(r"[^(),=]+|[(),=]", text.strip())
    at = 0

    def content():
        nonlocal at
        word = tokens[at].strip()
        at += 1
        if word.startswith("@"):
            return KINDS[word[1:]]
        files = []
        while tokens[at] != ")":
            at += 1  # "(" or ","
            name, octets = tokens[at].strip(), b"x"
            at += 1
            if tokens[at] == "=":
                at += 1
                octets = content()
            files.append((name, octets))
        at += 1
        return build(word, files)

    return content()
