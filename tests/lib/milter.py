"""A milter on a loopback address of the test, over its bare protocol: it notes what it hears and answers
what it was told to."""
import socket
import struct
import threading

PORT = 11332


def frame(letter, data=b""):
    return struct.pack(">I", len(data) + 1) + letter + data


class Milter:
    """answers: letter of a step -> frames sent for it; b"c" where it is not named. None: no answer.
    wishes: actions and steps of the negotiation. heard: [(letter, data)] of each connection, in turn."""

    def __init__(self, host, answers=None, actions=0x11, steps=0, port=PORT):
        self.answers, self.wishes, self.heard = answers or {}, (actions, steps), []
        self.server = socket.create_server((host, port))
        self.stopping = False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

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
        with connection, connection.makefile("rb") as octets:
            while len(head := octets.read(4)) == 4:
                data = octets.read(struct.unpack(">I", head)[0])
                letter, rest = data[:1], data[1:]
                heard.append((letter, rest))
                try:
                    self.answer(connection, letter)
                except OSError:
                    return

    def answer(self, connection, letter):
        if letter == b"O":
            answer = self.answers.get("O", frame(b"O", struct.pack(">III", 6, *self.wishes)))
        elif letter == b"D":
            return
        else:
            answer = self.answers.get(letter.decode(), frame(b"c"))
        if answer is not None:
            connection.sendall(answer)

    def stop(self):
        self.stopping = True
        with socket.create_connection(self.server.getsockname()[:2]):
            self.thread.join()
        self.server.close()
