"""Programs run as at a terminal: what asks a person needs one, and is answered here."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence

Answers = Sequence[tuple[str, str]]
"""What is asked (a part of the text), and the line that is typed in answer, in this order."""


def converse(
    words: Sequence[str], environment: Mapping[str, str], answers: Answers, within_s: float
) -> tuple[int, str]:
    """Run a program at a terminal of its own; its exit status and everything it showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            return _talk(process, ours, list(answers), time.monotonic() + within_s)
        finally:
            os.close(ours)
            process.kill()


def _talk(
    process: subprocess.Popen[bytes], terminal: int, answers: list[tuple[str, str]], deadline: float
) -> tuple[int, str]:
    shown, seen_to = b"", 0
    while chunk := _read(terminal, deadline - time.monotonic()):
        shown += chunk
        if answers and answers[0][0].encode() in shown[seen_to:]:
            seen_to = len(shown)
            os.write(terminal, answers.pop(0)[1].encode() + b"\r")
    text = shown.decode(errors="replace")
    try:
        return process.wait(max(0.0, deadline - time.monotonic())), text
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it did not end in time; it showed:\n{text}") from None


def _read(terminal: int, within_s: float) -> bytes:
    """The next piece; empty when the other side is closed, or time is up."""
    if not select.select([terminal], [], [], max(0.0, within_s))[0]:
        return b""
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other side is closed
        return b""
