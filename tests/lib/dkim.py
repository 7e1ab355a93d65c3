"""DKIM signatures and ARC seals for tests, made by other code than what they test: rsa-sha256,
relaxed/relaxed (RFC 6376, 8617), one key for all domains, with the selector "sel"."""
import base64
import functools
import hashlib
import re
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


LOCK = threading.Lock()


@functools.lru_cache(maxsize=None)
def generate():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key():
    with LOCK:
        return generate()


def record():
    """The data of the TXT record of the key, in strings of a zone file."""
    der = key().public_key().public_bytes(serialization.Encoding.DER,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)
    text = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
    return " ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))


def relaxed(field):
    name, value = field.split(":", 1)
    value = re.sub(r"[ \t]+", " ", value.replace("\r\n", "")).strip()
    return f"{name.strip().lower()}:{value}"


def body_hash(body):
    lines = [re.sub(r"[ \t]+", " ", line).rstrip(" ") for line in body.split("\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    octets = "".join(line + "\r\n" for line in lines).encode()
    return base64.b64encode(hashlib.sha256(octets).digest()).decode()


def signature(lines):
    octets = "\r\n".join(lines).encode()
    return base64.b64encode(key().sign(octets, padding.PKCS1v15(), hashes.SHA256())).decode()


def fields_of(head):
    return re.findall(r"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head)


def signed(head, name, tags, body):
    """A field of that name which signs From, Subject and Message-ID."""
    fields = {relaxed(f).split(":")[0]: relaxed(f) for f in fields_of(head)}
    names = [n for n in ("from", "subject", "message-id") if n in fields]
    field = (f"{name}: {tags}; a=rsa-sha256; c=relaxed/relaxed; t={int(time.time())}; "
             f"h={':'.join(names)}; bh={body_hash(body)}; b=")
    return field + signature([fields[n] for n in names] + [relaxed(field)])


def sign(head, body, domain):
    return signed(head, "DKIM-Signature", f"v=1; d={domain}; s=sel", body) + "\r\n" + head


def seal(head, body, domain, results):
    """The first ARC set."""
    aar = f"ARC-Authentication-Results: i=1; {domain}; {results}"
    ams = signed(head, "ARC-Message-Signature", f"i=1; d={domain}; s=sel", body)
    ars = (f"ARC-Seal: i=1; a=rsa-sha256; cv=none; d={domain}; s=sel; t={int(time.time())}; b=")
    ars += signature([relaxed(aar), relaxed(ams), relaxed(ars)])
    return f"{ars}\r\n{ams}\r\n{aar}\r\n{head}"
