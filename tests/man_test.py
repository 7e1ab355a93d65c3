"""The manual pages are well-formed: mandoc finds neither an error nor a warning in them; and
postern(8) names every command of the program and every option that its --help tells of.

Arguments: the program, the pages, postern(8) first. Skipped where mandoc is missing.
"""
import re
import shutil
import subprocess
import sys

SKIP = 77
# What scdoc writes for every page, and mandoc remarks on.
USUAL = ("missing date", "cannot parse date", "skipping paragraph macro")


def remarks(page):
    """What mandoc says of a page, line by line, less the usual."""
    run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                         capture_output=True, text=True, check=False)
    lines = (run.stdout + run.stderr).splitlines()
    return [line for line in lines if not any(usual in line for usual in USUAL)]


def text_of(page):
    """As a reader sees it, on one line."""
    run = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", page], capture_output=True,
                         text=True, check=True)
    lines = re.sub(".\b", "", run.stdout)
    return " ".join(re.sub(r"-\n +", "-", lines).split())


def help_of(postern, *words):
    run = subprocess.run([postern, *words], capture_output=True, text=True, check=False)
    return run.stdout if run.returncode == 0 else ""


def missing(postern, page):
    """What the program knows, and the page does not."""
    text = text_of(page)
    commands = re.findall(r"^  ([a-z-]+) ", help_of(postern, "help"), re.M)
    for command in commands:
        usage = help_of(postern, "help", command)
        actions = re.search(rf" {command} ([a-z|-]+) \.\.\.", usage)
        for action in actions.group(1).split("|") if actions else []:
            if action not in text:
                yield f"{page}: nothing about: {command} {action}"
            for option in re.findall(r"--[a-z-]+", help_of(postern, command, action, "--help")):
                if option not in text:
                    yield f"{page}: nothing about: {command} {action} {option}"
        for word in [command] + re.findall(r"--[a-z-]+", usage.replace("--help", "")):
            if word not in text:
                yield f"{page}: nothing about: {command} {word}"


def main():
    if shutil.which("mandoc") is None:
        print("mandoc is missing")
        return SKIP
    postern, *pages = sys.argv[1:]
    bad = [line for page in pages for line in remarks(page)] + list(missing(postern, pages[0]))
    print("\n".join(bad) or f"{len(pages)} pages are good")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
