"""Finding the Valkey server, and starting it with what its caller says."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedded.processes import EngineError, free_port, port_is_free
from embedded.valkey import find_server, limit_memory, spawn


def test_the_program_of_the_wheel_is_found_and_runs() -> None:
    answer = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=True).stdout
    assert answer.startswith("Valkey server")


def test_a_program_that_was_chosen_is_taken() -> None:
    assert find_server(Path("/bin/sh")) == Path("/bin/sh")


def test_a_choice_that_cannot_be_run_is_refused_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not a program that can be run"):
        find_server(tmp_path / "valkey-server")


def listens(port: int, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while (free := port_is_free(port)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not free


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_starts_below_a_directory_closed_to_its_account_and_its_configuration_is_in_no_list(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(mode=0o700, parents=True)
    closed.chmod(0o700)
    reading, writing = os.pipe()
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = spawn(
            find_server(),
            f"port {port}\nbind 127.0.0.1\ndir .\npidfile made.pid\nrequirepass secret-word\n",
            closed / "data",
            log=log,
            keep_open=writing,
            memory_bytes=200 * 1024 * 1024,
        )
    os.close(writing)
    try:
        assert listens(port)
        limit_memory(process.pid, closed / "data", 100 * 1024 * 1024)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert "104857600" in next(line for line in limits.splitlines() if line.startswith("Max data size"))
        assert b"secret-word" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.terminate()
        process.wait(10)
    # The other end of what the child kept open is closed by its end, not before.
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert b"User requested shutdown" in (tmp_path / "log").read_bytes()
