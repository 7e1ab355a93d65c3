"""What idle sessions cost: server_memory.py POSTERN

1,000 of them after EHLO, in the clear and under TLS; prints what the smtpd process holds for
each, and fails above the bounds below. What the kernel holds for a socket is not in it."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "lib"))
from server import Server  # noqa: E402

SESSIONS = 1000
CLEAR_MAX = 8 * 1024   # octets a session
TLS_MAX = 24 * 1024  # measured: 17.4 KiB with OpenSSL 3.0


def memory(pid):
    """Octets that are the process's own."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(n) for n in re.findall(r"(?m)^Private_(?:Clean|Dirty): +(\d+)", text))


def open_sessions(server, n, tls):
    clients = []
    for i in range(n):
        client = server.connect(source=f"127.66.{i // 250}.{i % 250 + 1}")
        client.hello()
        if tls:
            client.do("STARTTLS", 220)
            client.start_tls()
            client.do("EHLO client.example", 250)
        clients.append(client)
    return clients


def measure(postern, tls, most):
    with Server(postern, settings=["limits.sessions = 3000"]) as server:
        server.start()
        pid = server.pid_of("smtpd")
        first = open_sessions(server, 50, tls)  # what the process needs once
        before = memory(pid)
        clients = open_sessions(server, SESSIONS, tls)
        each = (memory(pid) - before) / SESSIONS
        for client in clients + first:
            client.do("NOOP", 250)  # all of them still live
            client.close()
    what = "under TLS" if tls else "in the clear"
    print(f"{SESSIONS} idle sessions {what}: {each / 1024:.1f} KiB each (at most {most // 1024})")
    return each <= most


def main():
    postern = sys.argv[1]
    if b"__asan_init" in pathlib.Path(postern).read_bytes():
        print("a sanitizer's memory is not ours: nothing to measure")
        return 77
    fine = measure(postern, False, CLEAR_MAX)
    fine = measure(postern, True, TLS_MAX) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
