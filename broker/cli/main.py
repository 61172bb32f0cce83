"""The command group: which commands there are, under which names, and what happens to their errors.

Commands are imported only when they run, so that the start is fast; `topics.py` is the one place where they are listed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Final, NoReturn

import click

from broker.cli.errors import CliError, Exit
from broker.cli.output import clean, note, paint
from broker.cli.topics import ALIASES, TOPICS

_SENTENCE: Final = 200
"""Characters, longer than the first sentence of any command's help, so that the list shows it whole."""

COMMANDS = {name: target for commands in TOPICS.values() for name, target in commands.items()}


def load(name: str) -> click.Command:
    """The command object behind a name that is in the table."""
    module, _, attribute = COMMANDS[name].partition(":")
    command: click.Command = getattr(import_module(f"broker.cli.{module}"), attribute)
    command.name = name
    return command


class Commands(click.Group):
    """The group of all commands; imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        return load(name) if name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(unknown(name), ctx)
        _, command, rest = super().resolve_command(ctx, args)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for topic, commands in TOPICS.items():
            with formatter.section(topic):
                formatter.write_dl([(name, load(name).get_short_help_str(_SENTENCE)) for name in commands])
        with formatter.section("Short names"):
            formatter.write_text(", ".join(f"{alias} = {name}" for alias, name in ALIASES.items()))


def unknown(name: str) -> str:
    """The sentence about a command that there is not, with the nearest ones that there are."""
    near = get_close_matches(name, [*COMMANDS, *ALIASES], n=3, cutoff=0.6)
    near += [other for other in COMMANDS if other.startswith(f"{name}:") and other not in near][:3]
    suggestion = f" Did you mean {' or '.join(near)}?" if near else " `broker` lists all commands."
    return f"{clean(name)} is no command of broker.{suggestion}"


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"broker {version('addon-broker')}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Every command has --help, and --json where it has anything to tell a program.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Add-ons for your apps: databases, Redis, mail and more from one marketplace.

    A first session: `broker login`, `broker apps:create intu-jokes`, `broker addons:create sendgrid --app intu-jokes`,
    `broker config --app intu-jokes`.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; errors are told on standard error."""
    words = [*arguments[1:], "--help"] if arguments[:1] in (["help"], ("help",)) else list(arguments)
    try:
        with cli.make_context("broker", words) as context:
            outcome = cli.invoke(context)
        return outcome if isinstance(outcome, int) else Exit.OK
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        _hint_at_pass_through(error)
        return Exit.USAGE if isinstance(error, click.UsageError) else Exit.FAILED
    except CliError as error:
        _tell(error)
        return error.exit
    except (KeyboardInterrupt, click.Abort):
        note("\nInterrupted. An operation that had begun goes on in the broker.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()


def _hint_at_pass_through(error: click.ClickException) -> None:
    """An option that `addons:create` does not know was probably meant for the add-on."""
    if isinstance(error, click.NoSuchOption) and error.ctx and error.ctx.command.name == "addons:create":
        note("Options for the add-on itself go after ` -- `: broker addons:create SERVICE --app APP -- --key value")


def _tell(error: CliError) -> None:
    prefix = "" if error.exit == Exit.INTERRUPTED else paint("Error: ", "red", err=True)
    note(prefix + clean(error.message))
    if error.hint:
        note(clean(error.hint))


def _closed_pipe() -> int:
    """The reader of our output has gone (`| head`): leave quietly, and let nothing be flushed to it later."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def complete_if_asked() -> None:
    """Answer a completion script, when it is one that calls, and leave."""
    import os

    instruction = os.environ.get("_BROKER_COMPLETE")
    if instruction:
        from broker.cli.completion import answer

        sys.exit(answer(cli, instruction))


def _write_utf8() -> None:
    """Config vars are UTF-8 whatever the locale says; a character that is none must not end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def main() -> NoReturn:
    """Entry point of the `broker` program."""
    _write_utf8()
    complete_if_asked()
    sys.exit(run(sys.argv[1:]))
