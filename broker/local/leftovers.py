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
    """Write down the children of this moment, unless that is what the note says already."""
    text = "".join(f"{pid}\n" for pid in pids if pid is not None)
    if not path.exists() or path.read_text() != text:
        write_private(path, text)


def end(path: Path) -> bool:
    """End the noted processes that still run one of our programs; a pid given to another program is left alone.

    Answers whether there was a note, that is, whether the last broker on this home was killed.
    """
    if not path.exists():
        return False
    for pid in path.read_text().split():
        shown = subprocess.run(["/bin/ps", "-o", "command=", "-p", pid], capture_output=True, text=True).stdout
        if any(words in shown for words in _OURS):
            os.kill(int(pid), signal.SIGKILL)
    return True
