#!/usr/bin/env python3
"""What is installed is enough: the example is compiled against it with nothing but pkg-config's
words, once with the shared library and once with the static one, and runs.

    libbounce_install_test.py MESON BUILD_ROOT EXAMPLE.C PKG_CONFIG CC ..."""
import os
import pathlib
import subprocess
import sys
import tempfile

meson, build, example, pkg_config, *cc = sys.argv[1:]
NAME = "libpostern-bounce"


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


with tempfile.TemporaryDirectory() as name:
    root = pathlib.Path(name)
    run(meson, "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", name)
    pc, = root.rglob(f"{NAME}.pc")
    archive, = root.rglob(f"{NAME}.a")
    assert list(root.rglob("libpostern-bounce.3"))
    # What a package of the server wants: a unit that starts what is installed, the user, examples.
    program, = root.rglob("sbin/postern")
    unit, = root.rglob("lib/systemd/system/postern.service")
    assert f"ExecStart=/{program.relative_to(root)} run\n" in unit.read_text()
    user, = root.rglob("lib/sysusers.d/postern.conf")
    assert user.read_text().splitlines()[-1].startswith("u postern - ")
    assert {p.name for p in root.rglob("doc/postern/examples/*")} == {"postern.conf", "example.c"}
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": name,
           "LD_LIBRARY_PATH": str(archive.parent)}
    mail = root / "mail"
    mail.write_text("From: MAILER-DAEMON@x.example\nSubject: failure notice\n\n"
                    "<a@b.example>:\n550 5.1.1 User unknown\n")
    cflags = run(pkg_config, "--cflags", NAME, env=env).split()
    shared = run(pkg_config, "--libs", NAME, env=env).split()
    static = [str(archive) if word == "-lpostern-bounce" else word
              for word in run(pkg_config, "--static", "--libs", NAME, env=env).split()]
    for libs in (shared, static):
        run(*cc, example, *cflags, *libs, "-o", str(root / "example"))
        got = run(str(root / "example"), str(mail), env=env)
        assert "a@b.example: invalid-recipient (hard" in got, got
    needed = run("readelf", "-d", str(root / "example"))
    assert "libpostern-bounce.so" not in needed, needed
