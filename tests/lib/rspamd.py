"""rspamd on a loopback address of the test: the real one, with a configuration of its own and no
network, or a stand-in that says of every message what it was told to say."""
import contextlib
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import child

PORT = 11333
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "build-peers" / "rspamd"


class RspamdFailed(Exception):
    pass


def root():
    """Where its files are: "/" or where ./dev unpacked the package; None: nowhere."""
    for path in (pathlib.Path(os.environ.get("POSTERN_RSPAMD", ROOT)), pathlib.Path("/")):
        if (path / "usr/bin/rspamd").exists():
            return path
    return None


class Rspamd:
    """The real one. It knows GTUBE, headers and nothing else: no rules, no DNS."""

    def __init__(self, directory, host, port=PORT):
        self.dir = pathlib.Path(directory)
        self.host, self.port, self.root = host, port, root()
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "tld").write_text("com\norg\nexample\ntest\n")
        (self.dir / "rspamd.conf").write_text(f"""
options {{
  filters = ""; pidfile = "{self.dir}/pid"; tempdir = "{self.dir}"; url_tld = "{self.dir}/tld";
  cache_file = "{self.dir}/cache"; history_file = "{self.dir}/history"; disable_hyperscan = true;
  dns {{ nameserver = ["{host}:1"]; timeout = 0.1s; retransmits = 1; }}
  gtube_patterns = "all";
}}
logging {{ type = "console"; level = "info"; }}
actions {{ reject = 15; rewrite_subject = 7; add_header = 6; greylist = 4; }}
worker "normal" {{ bind_socket = "{host}:{port}"; count = 1; }}
""")
        share = self.root / "usr/share/rspamd"
        libraries = [self.root / "usr/lib/rspamd", *self.root.glob("usr/lib/*-linux-gnu")]
        environment = dict(os.environ, SHAREDIR=str(share), PLUGINSDIR=str(share / "plugins"),
                           RULESDIR=str(share / "rules"), LUALIBDIR=str(share / "lualib"),
                           **{name: str(self.dir) for name in (
                               "CONFDIR", "LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")})
        if self.root != pathlib.Path("/"):
            environment["LD_LIBRARY_PATH"] = ":".join(str(path) for path in libraries)
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(
            [str(self.root / "usr/bin/rspamd"), "-f", "-i", "-c", str(self.dir / "rspamd.conf")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)
        try:
            self.wait_ready()
        except RspamdFailed:
            self.stop()
            raise

    def wait_ready(self):
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), \
                    socket.create_connection((self.host, self.port), 1) as s:
                s.settimeout(5)
                s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b" 200 " in s.recv(4096):
                    return
            if self.process.poll() is not None or time.monotonic() > end:
                raise RspamdFailed("rspamd does not start:\n" +
                                   (self.dir / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def stop(self):
        child.end(self.process)
        self.log.close()


class StandIn:
    """Says `answer` of every message: an object for JSON, octets to be sent as they are instead of HTTP, or
    None: nothing. asked: (header fields, body) of each question."""

    def __init__(self, host, answer, port=PORT):
        self.asked, self.answer = [], answer
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = b""
                while (size := int(self.rfile.readline().strip() or b"0", 16)) > 0:
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                stand_in.asked.append((list(self.headers.items()), body))
                self.close_connection = True
                if stand_in.answer is None:
                    stand_in.stopped.wait(30)
                elif isinstance(stand_in.answer, bytes):
                    self.wfile.write(stand_in.answer)
                else:
                    text = json.dumps(stand_in.answer).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self.stopped = threading.Event()
        self.server = http.server.ThreadingHTTPServer((host, port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.stopped.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
