"""Steers fault_io.c, and tells what a disk holds after a power cut.

The model: what was synced is there. Of other writes any sectors of 512 octets may be. Of names made,
changed and removed since the last sync of a directory a first part is. A sync that failed has lost any
part of what it was to save, although it reads well until the power goes.
"""
import mmap
import os
import struct

FIELDS = ("mask", "every", "error", "cut_short", "cut_at", "cut", "calls", "hits", "log_on", "log_used",
          "log_room", "matching")
CALLS = {"open": 1, "write": 2, "sync": 4, "sync_dir": 8, "rename": 16, "unlink": 32, "size": 64}
OPEN, WRITE, SYNC, SYNC_DIR, RENAME, UNLINK, SIZE = CALLS.values()
FAILED = 256
LOG_AT = 4096
SECTOR = 512
ROOM = 2 << 30  # a hole: what is not used takes no disk


class Faults:
    def __init__(self, path):
        with open(path, "wb") as f:
            f.truncate(ROOM)
        os.chmod(path, 0o666)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), ROOM)
        self.words = memoryview(self.map)[:8 * len(FIELDS)].cast("Q")

    def __getitem__(self, name):
        return self.words[FIELDS.index(name)]

    def __setitem__(self, name, value):
        self.words[FIELDS.index(name)] = value

    def order(self, calls, error, every=1, short=False):
        """Every nth of these calls fails with error; of writes, when short, only a part is done."""
        self["every"] = 0
        self["error"], self["cut_short"] = error, int(short)
        self["mask"] = sum(CALLS[name] for name in calls)
        self["every"] = every

    def none(self):
        self["every"] = 0

    def close(self):
        self.words.release()
        self.map.close()

    def log(self):
        at, end = LOG_AT, LOG_AT + self["log_used"]
        while at < end:
            kind, ino, off, size = struct.unpack_from("<QQQQ", self.map, at)
            yield at - LOG_AT, kind, ino, off, self.map[at + 32:at + 32 + size]
            at += 32 + (size + 7) // 8 * 8


class File:
    def __init__(self, base=b""):
        self.base = bytearray(base)
        self.pending = []  # (place in the log, offset, octets or None: the size)

    def apply(self, off, octets):
        if octets is None:
            del self.base[off:]
            self.base.extend(bytes(off - len(self.base)))
            return
        self.base.extend(bytes(max(0, off + len(octets) - len(self.base))))
        self.base[off:off + len(octets)] = octets

    def settle(self, before, choose=None):
        """Writes from before that place reach the disk: all of them, or what choose(octets) leaves."""
        while self.pending and self.pending[0][0] < before:
            _, off, octets = self.pending.pop(0)
            for start, part in [(0, octets)] if choose is None else choose(off, octets):
                self.apply(off + start, part)


class Disk:
    """A directory that is durable now; then the log of what was done to it."""

    def __init__(self, path):
        self.path = path
        self.files, self.names = {}, {}
        for at, _, names in os.walk(path):
            for name in names:
                full = os.path.join(at, name)
                with open(full, "rb") as f:
                    file = File(f.read())
                self.files[os.stat(full).st_ino] = file
                self.names[os.path.relpath(full, path)] = file

    def change(self, old, new, file):
        if old and new:
            file = self.names.get(old)
        self.names.pop(old, None)
        if new and file is not None:
            self.names[new] = file

    def survivors(self, log, random):
        """Puts what a power cut left in place of what is there."""
        changes = []

        def some(off, octets):
            mood = random.randrange(4)
            if octets is None:
                return [(0, None)] if mood else []
            out, at = [], 0
            while at < len(octets):
                n = SECTOR - (off + at) % SECTOR
                if mood == 1 or (mood > 1 and random.random() < 0.5):
                    out.append((at, octets[at:at + n]))
                at += n
            return out

        for place, kind, ino, off, octets in log:
            file = self.files.get(ino)
            if kind == WRITE:
                file.pending.append((place, off, octets))
            elif kind == SIZE:
                file.pending.append((place, off, None))
            elif kind in (OPEN, RENAME, UNLINK):
                old, new = (part.decode() for part in octets.split(b"\0")[:2])
                if kind == OPEN:
                    file = self.files[ino] = File()
                changes.append((place, old, new, file))
            elif kind == SYNC_DIR:
                while changes and changes[0][0] < off:
                    self.change(*changes.pop(0)[1:])
            elif kind == SYNC and file is not None:
                file.settle(off)
            elif kind == SYNC | FAILED and file is not None:
                file.settle(off, some)
        for change in changes[:random.randrange(len(changes) + 1)]:
            self.change(*change[1:])
        for file in self.files.values():
            file.settle(1 << 62, some)
        self.write()

    def write(self):
        owner = os.stat(self.path)
        for at, _, names in os.walk(self.path):
            for name in names:
                os.unlink(os.path.join(at, name))
        for name, file in self.names.items():
            full = os.path.join(self.path, name)
            with open(full, "wb") as f:
                f.write(file.base)
            os.chmod(full, 0o600)
            os.chown(full, owner.st_uid, owner.st_gid)
