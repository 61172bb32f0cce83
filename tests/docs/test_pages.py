"""What the pages tell people to type exists, and where they point to is something."""

import re
from pathlib import Path

import click
import pytest

from broker.cli.main import COMMANDS, cli, load
from broker.cli.topics import ALIASES
from tests.docs.pages import ROOT, command_lines, name, pages

LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
STORIES = ["README.md", "docs/tutorial/first-addon.md", "docs/tutorial/write-a-provider.md", "docs/howto/heroku-cli.md"]

each_page = pytest.mark.parametrize("page", pages(), ids=name)


@each_page
def test_every_broker_command_of_a_page_is_one(page: Path) -> None:
    faults = [f"{' '.join(words)}: {fault}" for words in command_lines(page) for fault in faults_of(words)]
    assert faults == []


def faults_of(words: list[str]) -> list[str]:
    """What is wrong with a line; nothing if it is no line for `broker`."""
    if words[:1] == [".venv/bin/broker"]:
        words = ["broker", *words[1:]]
    if words[:1] != ["broker"] or len(words) < 2:
        return []
    command_name = ALIASES.get(words[1], words[1])
    if command_name not in COMMANDS:
        return [f"there is no command {words[1]}"]
    return unknown_options(load(command_name), before_redirection(words[2:]))


def before_redirection(words: list[str]) -> list[str]:
    ends = [at for at, word in enumerate(words) if word in ("|", ">", ">>", "&&", "&", ";")]
    return words[: ends[0]] if ends else words


def unknown_options(command: click.Command, words: list[str]) -> list[str]:
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= set(cli.context_settings["help_option_names"])
    own = words[: words.index("--")] if "--" in words else words
    given = [word.partition("=")[0] for word in own if word.startswith("-")]
    return [f"{command.name} has no option {word}" for word in given if word not in known]


def test_a_command_or_an_option_that_is_none_is_found() -> None:
    assert faults_of(["broker", "addons:make"]) == ["there is no command addons:make"]
    assert faults_of(["broker", "config", "--app", "x", "--loud"]) == ["config has no option --loud"]
    assert faults_of(["broker", "run", "--app", "x", "--", "ls", "--all"]) == []
    assert faults_of(["psql", "--all"]) == []


@each_page
def test_every_make_target_of_a_page_is_one(page: Path) -> None:
    written = {words[1] for words in command_lines(page) if words[:1] == ["make"] and len(words) > 1}
    written |= set(re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")))
    assert written <= TARGETS


@each_page
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    places = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8"))]
    inside = [place for place in places if place and "://" not in place and not place.startswith("mailto:")]
    assert [place for place in inside if not (page.parent / place).exists()] == []


@pytest.mark.parametrize("story", STORIES)
def test_the_pages_with_a_story_have_commands_to_type(story: str) -> None:
    assert len(list(command_lines(ROOT / story))) >= 3


ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("adr", ADRS, ids=name)
def test_a_decision_says_why_and_what_it_costs_and_when_to_reopen_it(adr: Path) -> None:
    text = adr.read_text(encoding="utf-8")
    assert re.match(rf"# {int(adr.name[:4])}\. \S", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Choice", "Price", "Reopen when"]
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert [int(adr.name[:4]) for adr in ADRS] == list(range(1, len(ADRS) + 1))
    assert [adr.name for adr in ADRS if adr.name not in listed] == []
