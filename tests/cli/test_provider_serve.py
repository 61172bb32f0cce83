"""provider:serve as it is typed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import httpx

from tests.cli.conftest import Broker
from tests.testkit.shelf import Shelf
from tests.testkit.threads import manifest_file, running


def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    with running(Shelf()) as origin:
        command = [sys.executable, "-m", "broker", "provider:serve", str(manifest_file(tmp_path, origin)), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as marketplace:
            assert marketplace.stderr
            assert "A marketplace for" in marketplace.stderr.readline()
            assert marketplace.stdout
            url = json.loads(_whole_object(marketplace.stdout))["url"]
            assert "<h1>Shelf</h1>" in httpx.get(url).text
            marketplace.send_signal(signal.SIGINT)
            assert marketplace.wait(30) == 0


def _whole_object(lines: IO[str]) -> str:
    text = ""
    for line in lines:
        text += line
        if line.startswith("}"):
            break
    return text


def test_a_manifest_with_faults_is_told(broker: Broker, tmp_path: Path) -> None:
    manifest = manifest_file(tmp_path, "http://127.0.0.1:1", regions=[])
    result = broker("provider:serve", str(manifest))
    assert result.status == 2
    assert "/api/regions" in result.err
