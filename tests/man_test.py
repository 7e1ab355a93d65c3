"""The manual pages are well-formed: mandoc finds neither an error nor a warning in them.

Arguments: the pages. Skipped where mandoc is missing.
"""
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


def main():
    if shutil.which("mandoc") is None:
        print("mandoc is missing")
        return SKIP
    bad = [line for page in sys.argv[1:] for line in remarks(page)]
    print("\n".join(bad) or f"{len(sys.argv) - 1} pages are good")
    return 1 if bad or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
