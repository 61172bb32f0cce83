"""Children of a broker that was killed, where the system does not end them by itself (it does on Linux).

The pids are noted while the children run; the lock of the home says that nobody else uses them.
"""

import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from broker.local.home import write_private

_OURS = ("broker serve", "-m providers.")


def note(path: Path, pids: Iterable[int | None]) -> None:
    write_private(path, "".join(f"{pid}\n" for pid in pids if pid is not None))


def end(path: Path) -> None:
    """End the noted processes that still run one of our programs; a pid given to another program is left alone."""
    try:
        pids = [int(line) for line in path.read_text().split()]
    except FileNotFoundError:
        return
    for pid in pids:
        shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
        if any(words in shown for words in _OURS):
            os.kill(pid, signal.SIGKILL)
