"""What tests ask about processes that are not children of theirs."""

import os
import subprocess
import time
from collections.abc import Callable


def gone(pid: int, within_s: float = 60, reap: Callable[[], object] = lambda: None) -> bool:
    """Wait until no process has this number. `reap` collects it when it is a child of ours."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        reap()
        if not exists(pid):
            return True
        time.sleep(0.02)
    return False


def exists(pid: int) -> bool:
    """A zombie (ended, but not yet collected by its parent) does not count."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not os.path.isdir("/proc/self")


def descendants(pid: int) -> dict[int, str]:
    """Every process below this one, with its arguments."""
    shown = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [
        (int(child), int(parent), args) for child, parent, args in (line.split(None, 2) for line in shown.splitlines())
    ]
    found: dict[int, str] = {}
    front = {pid}
    while front:
        below = {child: args for child, parent, args in rows if parent in front and child not in found}
        found |= below
        front = set(below)
    return found
