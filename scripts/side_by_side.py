"""Runs commands beside one another, each given as one word, and prints what each said when it and those before it have ended.

Fails if one of them failed, but not before all have ended. Each has a process group of its own, to which Ctrl-C is passed on.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO


def main(commands: Sequence[str]) -> int:
    """Run them; 1 if one failed, 130 if they were interrupted."""
    with ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        running = [_begin(*pair) for pair in zip(commands, said, strict=True)]
        try:
            return max([_tell(*each) for each in zip(commands, running, said, strict=True)], default=0)
        except KeyboardInterrupt:
            for process in running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
            for process in running:
                process.wait()
            return 130


def _begin(command: str, said: IO[bytes]) -> subprocess.Popen[bytes]:
    words = shlex.split(command)
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, process_group=0)


def _tell(command: str, process: subprocess.Popen[bytes], said: IO[bytes]) -> int:
    status = process.wait()
    said.seek(0)
    sys.stdout.write(f"{command}\n")
    sys.stdout.write(said.read().decode(errors="replace"))
    sys.stdout.flush()
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
