"""A server of a test's own: a thread for each connection."""
import socket
import ssl
import threading


class Gone(Exception):
    """Ends a session: the client went where it should not, or is not wanted any more."""


class Listener:
    """talk(sock), of the class that inherits, is a session. One whose client goes, or says nothing for `patience`
    seconds, is over."""
    patience = 60

    def __init__(self, host, port, backlog=128):
        self.accepted = 0
        self.thread = None
        self.listener = socket.create_server((host, port), backlog=backlog)
        self.port = self.listener.getsockname()[1]

    def serve(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.session, args=(sock,), daemon=True).start()

    def session(self, sock):
        try:
            sock.settimeout(self.patience)
            self.talk(sock)
        except (OSError, ssl.SSLError, Gone):
            pass
        finally:
            sock.close()

    def stop(self):
        """Whoever still waits in accept() would keep the address, or take a connection of the next one that gets
        the descriptor."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was stopped before
        if self.thread is not None:
            self.thread.join()
        self.listener.close()
