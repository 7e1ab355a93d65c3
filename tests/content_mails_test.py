"""No false refusals: real mails of ../shared/bounces/messages, and mails as programs make them, pass the
checks of structure and content with default settings. Those that do not are listed with the reason.

content_mails_test.py CONTENT_LOOK SOURCE_ROOT; 77 (skipped) where ../shared is not there.
"""
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

# Samples that were altered before they were published, so that no sender ever sent them like this:
# a folded "boundary=" lost its blank; the boundary named is another one than the body's, or the
# body's parts were cut away.
REFUSED = {
    "lhost-apachejames-01.eml": "a multipart names no boundary",
    "lhost-office365-09.eml": "a multipart names no boundary",
    "lhost-office365-11.eml": "a multipart names no boundary",
    "lhost-messagingserver-03.eml": "the boundary of a multipart never comes",
    "rfc3464-06.eml": "the boundary of a multipart never comes",
    "rhost-google-02.eml": "the boundary of a multipart never comes",
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8


def archive(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            z.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def modern():
    """text, HTML with a picture, a PDF, names in all scripts, a forwarded message"""
    m = EmailMessage(policy=policy.SMTP)
    m["From"], m["To"], m["Subject"] = "ann@client.example", "bob@example.test", "Grüße"
    m.set_content("Grüße\n-- \nAnn\n--b\n")
    m.add_alternative("<p>Grüße <img src='cid:a'></p>", subtype="html")
    m.get_payload()[1].add_related(PNG, "image", "png", cid="<a>")
    m.add_attachment(b"%PDF-1.7 " * 5000, maintype="application", subtype="pdf",
                     filename="Rechnung für Herrn Müller und Söhne, Nr. 4711 von 2026.pdf")
    m.add_attachment("表,1\n", subtype="csv", filename="报表.csv")
    m.add_attachment(archive(a_txt=b"text", word__document_xml=b"<x/>"), maintype="application",
                     subtype="zip", filename="docs.zip")
    inner = EmailMessage(policy=policy.SMTP)
    inner["Subject"] = "inner"
    inner.set_content("x")
    m.add_attachment(inner)
    return m.as_bytes()


def older():
    """the classes of before; names as encoded words in quotes, which many programs write"""
    m = MIMEMultipart("mixed")
    m["From"], m["Subject"] = "ann@client.example", "x"
    body = MIMEMultipart("alternative")
    body.attach(MIMEText("text", "plain", "utf-8"))
    body.attach(MIMEText("<a href='http://example.com/setup.exe'>download</a>", "html", "utf-8"))
    related = MIMEMultipart("related")
    related.attach(body)
    related.attach(MIMEImage(PNG, "png"))
    m.attach(related)
    part = MIMEApplication(PNG)
    part["Content-Disposition"] = 'attachment; filename="=?utf-8?Q?Gr=C3=BC=C3=9Fe.png?="'
    m.attach(part)
    m.attach(MIMEMessage(message_from_bytes(modern())))
    return m.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def nodemailer():
    """the structure and spelling of a widespread library's messages"""
    return (b"Content-Type: multipart/mixed; boundary=\"--_NmP-8a1f-Part_1\"\r\nFrom: a@client.example\r\n"
            b"MIME-Version: 1.0\r\n\r\n----_NmP-8a1f-Part_1\r\nContent-Type: multipart/alternative;\r\n"
            b" boundary=\"--_NmP-8a1f-Part_2\"\r\n\r\n----_NmP-8a1f-Part_2\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"Gr=C3=BC=C3=9Fe\r\n----_NmP-8a1f-Part_2\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"Content-Transfer-Encoding: 7bit\r\n\r\n<p>x</p>\r\n----_NmP-8a1f-Part_2--\r\n\r\n"
            b"----_NmP-8a1f-Part_1\r\nContent-Type: text/plain; name*0*=utf-8''%C3%A9; name*1=.txt\r\n"
            b"Content-Transfer-Encoding: base64\r\n"
            b"Content-Disposition: attachment; filename*0*=utf-8''%C3%A9; filename*1=.txt\r\n\r\neA==\r\n"
            b"----_NmP-8a1f-Part_1--\r\n")


def look(program, paths):
    out = subprocess.run([program, *map(str, paths)], check=True, capture_output=True, text=True).stdout
    return {pathlib.Path(path).name: (refusal, rest)
            for path, refusal, rest in (line.split("\t") for line in out.splitlines())}


def main():
    program, root = sys.argv[1:3]
    faults = []
    with tempfile.TemporaryDirectory() as directory:
        made = []
        for make in (modern, older, nodemailer):
            made.append(pathlib.Path(directory) / make.__name__)
            made[-1].write_bytes(make())
        found = look(program, made)
        faults += [f"{name}: {is_[0]}" for name, is_ in found.items() if is_[0] != "-"]
        if "attachments=4" not in found["modern"][1]:
            faults.append(f"modern: {found['modern'][1]}")
        if any('"' in rest.replace('noted="', "") for name, (_, rest) in found.items()):
            faults.append(f"a defect where there is none: {found}")
    shared = pathlib.Path(os.environ.get("POSTERN_SHARED") or pathlib.Path(root).parent / "shared")
    mails = sorted((shared / "bounces" / "messages").glob("*.eml"))
    if mails:
        found = look(program, mails)
        for name, (refusal, _) in found.items():
            wanted = f"message-malformed: {REFUSED[name]}" if name in REFUSED else "-"
            if refusal != wanted:
                faults.append(f"{name}: {refusal}, wants {wanted}")
        print(f"{len(found)} real mails, {len(REFUSED)} of them refused as they should be")
    print("\n".join(faults))
    if faults:
        return 1
    if not mails:
        print("skipped: no ../shared/bounces/messages")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
