"""DNS servers of a test's own making: they are silent, slow, or lie."""
import socket
import struct
import threading

import nsd
import server


class Lie:
    """A server on UDP alone whose answers a function makes, or None: silence."""

    def __init__(self, lie):
        self.host = server.own_address()
        self.lie, self.asked = lie, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((self.host, nsd.PORT))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            self.asked.append(query)
            for answer in self.lie(query) or ():
                self.sock.sendto(answer, peer)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (self.host, nsd.PORT))
        self.thread.join(5)
        self.sock.close()


def question_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


def reply(query, flags=0x8180, records=(), number=None, question=None):
    """records: (owner as octets, type, ttl, data)"""
    asked = question or query[12:question_end(query)]
    head = struct.pack(">HHHHHH", number if number is not None else struct.unpack(">H", query[:2])[0],
                       flags, 1, len(records), 0, 0)
    return head + asked + b"".join(owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
                                   for owner, kind, ttl, data in records)


HERE = b"\xc0\x0c"
ADDRESS = (HERE, 1, 60, bytes([192, 0, 2, 66]))
