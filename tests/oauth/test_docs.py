"""The page for makers of programs says of each scope what the consent page says."""

import re

from broker.oauth.scopes import SENTENCES
from tests.docs.pages import ROOT


def test_the_page_has_every_scope_with_its_sentence() -> None:
    page = (ROOT / "docs/howto/oauth-apps.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert {name: rows.get(name) for name in SENTENCES} == {str(name): text for name, text in SENTENCES.items()}
