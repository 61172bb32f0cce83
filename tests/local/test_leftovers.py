"""Children that outlived a killed broker: ours are ended, a stranger under the same number is not."""

import subprocess
import sys
from pathlib import Path

from broker.local import leftovers

WAIT = "import time; time.sleep(600)"


def test_only_programs_of_ours_are_ended(tmp_path: Path) -> None:
    ours = subprocess.Popen([sys.executable, "-c", WAIT, "-m", "providers.mail"])
    stranger = subprocess.Popen([sys.executable, "-c", WAIT, "-m", "http.server"])
    try:
        leftovers.note(tmp_path / "children", [ours.pid, None, stranger.pid])
        assert leftovers.end(tmp_path / "children")
        assert ours.wait(10) == -9
        assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_a_first_start_has_no_leftovers(tmp_path: Path) -> None:
    assert not leftovers.end(tmp_path / "children")
    assert list(tmp_path.iterdir()) == []
