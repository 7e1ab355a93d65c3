"""Every vector of the smuggling suite against the running server, over a socket.

smuggling_live.py POSTERN SUITE (../shared/suites/smuggling.json; the environment's POSTERN_SHARED
names another place for ../shared; 77 when it is not there)

Counted are the replies that accept a message and, in the end, the messages in the Maildirs: the
two must agree, no vector may bring more messages than it says, or fewer, and nothing that was
smuggled may have become a message, a field, or a recipient of its own."""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import SKIPPED, Failed, Server, body_of  # noqa: E402

USERS = ["victim@local.example", "alice@local.example"]
GAP = 0.02  # seconds between TCP writes, so that each is a segment of its own


def to_data(client):
    client.hello()
    client.envelope("victim@local.example", sender="carrier@client.example")
    client.do("DATA", 354)


def send_all(client, pieces):
    for piece in pieces:
        client.send(piece)
        time.sleep(GAP)


def vector_data(client, case):
    """end-of-data and framing: what is sent after 354."""
    to_data(client)
    if "segments_hex" in case:
        send_all(client, [bytes.fromhex(segment) for segment in case["segments_hex"]])
    else:
        client.send(bytes.fromhex(case["data_hex"]))
    return client.rest()


def vector_command(client, case):
    """command-line: octets in command state, in a transaction where they speak of one."""
    octets = bytes.fromhex(case["bytes_hex"])
    client.expect(220)
    if not octets.startswith(b"EHLO"):
        client.do("EHLO client.example", 250)
    if octets.startswith(b"RCPT"):
        client.do("MAIL FROM:<carrier@client.example>", 250)
    client.send(octets)
    return client.rest()


def vector_session(client, case):
    """session: TCP writes in order; those that do not greet begin within a session."""
    segments = [segment.encode("latin-1").decode("unicode_escape").encode("latin-1")
                for segment in case["segments"]]
    client.expect(220)
    if not segments[0].startswith((b"EHLO", b"POST")):
        client.do("EHLO client.example", 250)
    if segments[0].startswith(b"BDAT"):
        client.envelope("victim@local.example", sender="carrier@client.example")
    send_all(client, segments)
    return client.rest()


KINDS = {"end-of-data": vector_data, "framing": vector_data, "command-line": vector_command,
         "session": vector_session}


SMUGGLED = (b"MAIL FROM:<smuggled@attacker.example>\r\nRCPT TO:<victim@local.example>\r\nDATA\r\n"
            b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
BEFORE = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r"]
AFTER = [*BEFORE, b"\0\r\n", b" \r\n", b"\t\r\n"]


def our_cases():
    """Every way to come near CRLF.CRLF, with commands behind it; the suite lacks some."""
    for before in BEFORE:
        for after in AFTER:
            if before.endswith(b"\r\n") and after == b"\r\n":
                continue  # the real end, or one with a stray CR before it
            data = b"From: ann@client.example\r\nMessage-ID: <test@client.example>\r\nSubject: carrier\r\n\r\nline" + before + b"." + after + SMUGGLED
            yield {"id": f"own:{before!r}.{after!r}", "kind": "end-of-data", "messages_max": 1,
                   "data_hex": data.hex()}


def accepted(replies):
    return [reply for reply in replies if reply.text.startswith("Message queued as")]


def check_case(server, case):
    """How many messages this vector brought."""
    client = server.connect()
    replies = KINDS[case["kind"]](client, case)
    client.close()
    n = len(accepted(replies))
    most = case.get("messages_max", 0)
    if n > most or n < case.get("messages_min", 0):
        raise Failed(f"{n} messages accepted, {case.get('messages_min', 0)} to {most} expected: "
                     + "; ".join(map(str, replies)))
    check_kind(case, replies)
    return n


def check_kind(case, replies):
    """What the suite asks beside the number."""
    if case["kind"] == "end-of-data" and not replies:
        raise Failed("no reply at all")
    obeyed = [reply for reply in replies if reply.status in ("2.1.0", "2.1.5")]
    if case["kind"] == "end-of-data" and obeyed:
        raise Failed(f"a command within the message was obeyed: {'; '.join(map(str, replies))}")
    if case["id"] == "state:starttls-injection" and obeyed:
        raise Failed(f"a command behind STARTTLS was obeyed: {obeyed[0]}")
    if case["kind"] == "command-line":
        # One line, or none: never two commands obeyed.
        fine = [reply for reply in replies if reply.code[0] == "2"]
        if len(fine) > 1:
            raise Failed("two commands were obeyed: " + "; ".join(map(str, replies)))
        if "bare" in case["id"] and fine:
            raise Failed(f"obeyed: {fine[0]}")


def check_message(text, lines):
    """lines: what a legitimate one must be; None: any, but nothing smuggled as its own."""
    head = text.split(b"\n\n", 1)[0]
    if b"Subject: smuggled" in head or b"smuggled@attacker" in head:
        raise Failed(f"a smuggled message was delivered: {text!r}")
    if lines is not None and body_of(text) != "".join(line + "\n" for line in lines).encode():
        raise Failed(f"delivered {body_of(text)!r}, expected {lines}")


def run_case(server, case, seen):
    """seen: names of the messages that lie there already; the new ones are looked at."""
    n = check_case(server, case)
    server.messages(USERS[0], len(seen) + n)
    for file in server.files(USERS[0]):
        if file.name not in seen:
            seen.add(file.name)
            check_message(file.read_bytes(), case.get("lines"))


def main():
    postern, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if "POSTERN_SHARED" in os.environ:
        path = pathlib.Path(os.environ["POSTERN_SHARED"], "suites/smuggling.json")
    if not path.exists():
        print(f"{path} is not there: nothing to test")
        return SKIPPED
    cases = [case for case in json.loads(path.read_text())["cases"] if case["kind"] in KINDS]
    cases += our_cases()
    bad = 0
    # What a message says is not the subject: many of the vectors are no whole messages.
    settings = [f"checks.{check} = off" for check in ("header-from", "header-message-id", "message-form")]
    with Server(postern, settings=settings) as server:
        server.add_users(*USERS)
        server.start()
        seen = set()
        for case in cases:
            try:
                run_case(server, case, seen)
            except Failed as failed:
                bad += 1
                print(f"{case['id']}: {failed}")
                seen |= {file.name for file in server.files(USERS[0])}
        server.settle()
        if server.delivered() != len(seen):
            bad += 1
            print(f"{server.delivered()} messages lie in the Maildirs, {len(seen)} were accepted")
    print(f"{len(cases)} vectors, {len(seen)} messages accepted and delivered, "
          f"{server.replies} replies, {bad} faults")
    return 1 if bad or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
