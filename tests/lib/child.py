"""Processes that a test started."""
import subprocess


def end(process, patience=10):
    """It is asked to end, then made to."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(patience)
