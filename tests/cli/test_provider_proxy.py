"""provider:proxy as it is typed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx
import pytest

from broker.testkit.faults import CALLS, KINDS
from tests.cli.conftest import Broker
from tests.testkit.shelf import PASSWORD, Shelf
from tests.testkit.threads import running


def test_it_forwards_and_prints_a_line_for_each_call_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "broker", "provider:proxy", "--json", "--fault", "500:on=list", "--to"]
    with running(Shelf()) as origin:
        proxy = subprocess.Popen([*command, origin], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with proxy:
            assert proxy.stderr
            assert proxy.stdout
            words = proxy.stderr.readline().split()
            assert words[0] == "Forwarding"
            answer = httpx.get(f"{words[1]}/heroku/resources", auth=("shelf", PASSWORD))
            assert answer.status_code == 500
            line = json.loads(proxy.stdout.readline())
            proxy.send_signal(signal.SIGINT)
            assert proxy.wait(30) == 0
    assert (line["provider"], line["answered"], line["fault"]) == ([200], 500, "500")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "http://127.0.0.1:1", "--fault", "hiccup"], "There is no fault “hiccup”"),
        (["--to", "shelf"], "shelf is no origin"),
        (["--to", "http://127.0.0.1:1", "--listen", "here"], "must be HOST:PORT"),
    ],
)
def test_a_command_line_that_makes_no_sense_gives_status_2(broker: Broker, arguments: list[str], told: str) -> None:
    result = broker("provider:proxy", *arguments)
    assert result.status == 2
    assert told in result.err


def test_the_help_explains_every_kind_of_fault(broker: Broker) -> None:
    text = " ".join(broker("provider:proxy", "--help").out.split())
    assert [kind for kind, what in KINDS.items() if f"{kind} {what}" not in text] == []
    assert f"Calls: {', '.join(CALLS)}." in text
