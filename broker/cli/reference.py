"""`python -m broker.cli.reference [commands|exit-codes]` prints the reference pages, made from the commands themselves."""

from __future__ import annotations

import sys

import click

from broker.cli.errors import MEANINGS
from broker.cli.main import cli, load
from broker.cli.topics import ALIASES, TOPICS

_INTRO = """\
# Commands of `broker`

Options may stand anywhere; options for an add-on follow ` -- `. `--app` can be left out when `BROKER_APP` is set.
`BROKER_URL` and `BROKER_TOKEN` go before the login that `broker login` keeps. Data are printed on standard output;
progress, warnings and errors on standard error. Exit statuses: [exit-codes.md](exit-codes.md).

This page is made by `python -m broker.cli.reference commands`.
"""

_EXIT_INTRO = """\
# Exit statuses of `broker`

| status | meaning |
|---|---|
"""

_EXIT_END = """
`broker run` ends with the status of the command it ran; 126 and 127 mean, as in a shell, that the command could not be
run or was not found.

This page is made by `python -m broker.cli.reference exit-codes`.
"""


def commands_page() -> str:
    """The page about all commands, as Markdown."""
    parts = [_INTRO]
    for topic, names in TOPICS.items():
        parts.append(f"## {topic}\n")
        parts += [_command(name) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def _command(name: str) -> str:
    command = load(name)
    names = cli.context_settings["help_option_names"]
    context = click.Context(command, info_name=f"broker {name}", terminal_width=110, help_option_names=names)
    help_text = command.get_help(context).rstrip()
    aliases = ", ".join(f"`{alias}`" for alias, target in ALIASES.items() if target == name)
    also = f"Also: {aliases}.\n\n" if aliases else ""
    return f"### `{name}`\n\n{also}```\n{help_text}\n```\n"


def exit_codes_page() -> str:
    """The page about exit statuses, as Markdown."""
    rows = "".join(f"| {status.value} | {meaning} |\n" for status, meaning in MEANINGS.items())
    return _EXIT_INTRO + rows + _EXIT_END


PAGES = {"commands": commands_page, "exit-codes": exit_codes_page}

if __name__ == "__main__":
    page = sys.argv[1] if len(sys.argv) > 1 else "commands"
    click.echo(PAGES[page](), nl=False)
