"""The checks that the page tells receivers to make accept what the broker sends, and nothing else."""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from broker.kernel.secret import Secret
from broker.outbound.webhook_sender import headers
from tests.docs.pages import ROOT
from tests.outbound.test_webhook_sender import attempt

PAGE = (ROOT / "docs/howto/webhooks.md").read_text(encoding="utf-8")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
Check = Callable[[str, dict[str, str], bytes], bool]


def checks() -> dict[str, Check]:
    """The functions that stand on the page."""
    found: dict[str, Check] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, found)
    return {name: found[name] for name in ("is_genuine", "is_standard")}


@pytest.mark.parametrize("name", ["is_genuine", "is_standard"])
def test_the_check_of_the_page_knows_what_is_genuine(name: str) -> None:
    check, now = checks()[name], datetime.fromtimestamp(time.time(), UTC)
    sent = replace(attempt("https://hooks.example.com/", SECRET), at=now)
    body = sent.body
    told = headers(sent, body)
    assert check(SECRET, told, body)
    assert not check(SECRET, told, body + b" ")
    assert not check("whsec_" + base64.b64encode(b"another").decode(), headers(sent, body), body)
    assert (
        headers(replace(sent, secret=Secret("own")), body)["heroku-webhook-hmac-sha256"]
        != told["heroku-webhook-hmac-sha256"]
    )
