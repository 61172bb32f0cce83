"""Every template, with hostile facts; and every kind that is told of has one."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jinja2 import meta

from broker.faces.mails import letters
from broker.faces.mails.letters import Letters
from broker.notices.letters import UnknownKind
from tests.architecture.source import modules, tree

TEMPLATES = Path(letters.__file__).parent / "templates"
KINDS = sorted(path.name.removesuffix(".mail") for path in TEMPLATES.glob("*.mail"))
EVIL = 'x\r\nBcc: all@example.com\r\n\r\n"><script>alert(1)</script>'


class Hostile(dict[str, Any]):
    """Whatever a template asks for, in every shape that it can take."""

    def __init__(self, kind: str) -> None:
        asked = meta.find_undeclared_variables(_parsed(kind))
        super().__init__({name: _value(name) for name in asked - {"frame", "parts", "public_url"}})


def _value(name: str) -> Any:
    if name == "at" or name.endswith("_at"):
        return "2026-11-21T09:54:07Z"
    if name.endswith("_minor") or name in ("step", "days", "failures", "attempt"):
        return 1234
    return "usd" if name == "currency" else EVIL


@cache
def _parsed(kind: str) -> Any:
    environment = letters._environment("html")
    assert environment.loader is not None
    return environment.parse(environment.loader.get_source(environment, f"{kind}.mail")[0])


@pytest.mark.parametrize("kind", KINDS)
def test_nobodys_words_become_headers_markup_or_paragraphs(kind: str) -> None:
    letter = Letters("https://broker.example.com").letter(kind, Hostile(kind))
    assert letter.subject.isprintable()
    assert 0 < len(letter.subject) <= 150
    assert "<script" not in letter.html
    assert "\n\nBcc:" not in letter.text
    assert "https://broker.example.com" in letter.text
    assert 'href="https://broker.example.com' in letter.html
    assert all(len(line) <= 76 or "://" in line or line.startswith("    ") for line in letter.text.splitlines())


def test_mails_about_a_teams_money_say_so_and_lead_to_its_pages() -> None:
    facts = {"amount": "10.00 USD", "number": "INV-1", "reason": "no"}
    theirs = Letters("https://b.example").letter("payment.failed", facts | {"for_team": "acme", "for_team_id": "7"})
    own = Letters("https://b.example").letter("payment.failed", facts)
    assert "https://b.example/teams/7/payment" in theirs.text
    assert "you see to the money of the team acme" in theirs.text
    assert "https://b.example/account/payment" in own.text
    assert "team" not in own.text


def told_kinds() -> set[str]:
    """The kinds that the product names when it tells somebody something."""
    names = {"notify", "notify_address", "send_secrets"}
    return {
        argument.value
        for path in modules("broker")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names
        for argument in node.args[2:5]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_there_are_words_for_everything_that_is_told() -> None:
    assert told_kinds() - set(KINDS) == set()


def test_a_fact_that_is_missing_or_misshapen_makes_no_mail_and_a_list_survives_it() -> None:
    made = Letters("https://broker.example.com")
    for facts in ({}, {"due": 1, "number": 2, "month": 3}, {"at": "never"}):
        with pytest.raises(UnknownKind):
            made.letter("password.changed", facts)
    assert made.subject("no.such", {}) == "no.such"
