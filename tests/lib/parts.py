"""A test in parts, each of which makes the servers it needs."""
import subprocess
import sys

import nsd
from server import SKIPPED, Failed, Server


class Missing(Exception):
    """A program that the part needs is not there."""


def run(postern, parts, wanted):
    """Plays each part, or those whose names are wanted: part(make), where make(**how) is a server. The exit
    status: 0, 1 after a failure, SKIPPED when nothing could be played."""
    failed, done = False, 0
    for part in parts:
        if wanted and part.__name__ not in wanted:
            continue
        servers = []

        def make(servers=servers, **how):
            servers.append(Server(postern, **how))
            return servers[-1]
        problem = missing = None
        try:
            part(make)
        except Missing as fault:
            missing = fault
        except (Failed, OSError, subprocess.SubprocessError, AttributeError) as fault:
            problem = f"{type(fault).__name__} {fault}"
        for server in servers:
            log = server.log()
            try:
                server.stop()
            except Failed as fault:
                problem = problem or str(fault)
        if problem:
            failed = True
            print(f"FAILED {part.__name__}: {problem}\n--- log\n{log[-4000:]}")
        elif missing:
            print(f"skipped {part.__name__}: {missing}")
        else:
            done += 1
            print(f"ok {part.__name__}")
    return 1 if failed else 0 if done > 0 else SKIPPED


def play(tests, argument, log=lambda: ""):
    """Each test, or those named behind the program: test(argument). The exit status; the first failure ends it, with
    what log() says."""
    for test in tests:
        if sys.argv[2:] and test.__name__ not in sys.argv[2:]:
            continue
        try:
            test(argument)
        except Failed as failed:
            print(f"{test.__name__}: {failed}\n{log()}")
            return 1
        print(f"{test.__name__}: ok")
    return 0


def play_on_dns(*tests):
    """The same of test(postern), where NSD is installed."""
    if nsd.program() is None:
        print("skipped: NSD is not installed")
        return SKIPPED
    return play(tests, sys.argv[1])
