"""A milter on an address or a socket of the test, over its bare protocol: it notes what it hears and answers
what it was told to."""
import contextlib
import pathlib
import socket
import struct
import threading

PORT = 11332


def frame(letter, data=b""):
    return struct.pack(">I", len(data) + 1) + letter + data


class Milter:
    """at: a host, or the path of a socket. answers: letter of a step -> frames sent for it, or a function of the
    step's data; b"c" where it is not named. None: no answer. wishes: actions and steps of the negotiation.
    heard: [(letter, data)] of each connection, in turn."""

    def __init__(self, at, answers=None, actions=0x1ff, steps=0, port=PORT):
        self.answers, self.wishes, self.heard = answers or {}, (actions, steps), []
        if isinstance(at, pathlib.Path):
            self.server = socket.socket(socket.AF_UNIX)
            self.server.bind(str(at))
            self.server.listen()
        else:
            self.server = socket.create_server((at, port))
        self.stopping = False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def letters(self, connection=0):
        return b"".join(letter for letter, _ in self.heard[connection] if letter != b"D")

    def serve(self):
        while True:
            connection, _ = self.server.accept()
            if self.stopping:
                connection.close()
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        heard = []
        self.heard.append(heard)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as octets:
            while len(head := octets.read(4)) == 4:
                data = octets.read(struct.unpack(">I", head)[0])
                heard.append((data[:1], data[1:]))
                self.answer(connection, data[:1], data[1:])

    def answer(self, connection, letter, data):
        if letter == b"O":
            answer = self.answers.get("O", frame(b"O", struct.pack(">III", 6, *self.wishes)))
        elif letter in b"DAQ":
            return
        else:
            answer = self.answers.get(letter.decode(), frame(b"c"))
        if callable(answer):
            answer = answer(data)
        if answer is not None:
            connection.sendall(answer)

    def stop(self):
        self.stopping = True
        with socket.socket(self.server.family) as other:
            other.connect(self.server.getsockname())
            self.thread.join()
        self.server.close()
