"""completion: scripts for bash, zsh and fish, and the answers they ask for.

The scripts of click take the words as the shell split them; bash splits at the colon, which stands in the names of our
commands. So bash gets a script of its own, which hands over the line and takes back what comes after the last colon.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete, split_arg_string

_BASH = """\
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" word="${COMP_LINE:0:COMP_POINT}" type value
    word="${word##*[[:space:]]}"
    local prefix=""
    if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then prefix="${word%%"${word##*:}"}"; fi
    COMPREPLY=()
    while IFS=',' read -r type value; do
        case "$type" in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain) COMPREPLY+=("${value#"$prefix"}") ;;
        esac
    done < <(env COMP_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Nothing to check: the script needs no newer bash than 3.2."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words, incomplete


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}


def _for(shell: str, group: click.Command) -> ShellComplete:
    return SHELLS[shell](group, {}, "broker", "_BROKER_COMPLETE")


def answer(group: click.Command, instruction: str) -> int:
    """Answer a completion script: `bash_complete` and the like."""
    shell, _, what = instruction.partition("_")
    if shell not in SHELLS or what != "complete":
        return 1
    click.echo(_for(shell, group).complete())
    return 0


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print the script that completes commands, apps and add-ons on Tab.

    bash: eval "$(broker completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after compinit;
    fish: broker completion fish > ~/.config/fish/completions/broker.fish
    """
    from broker.cli.main import cli

    click.echo(_for(shell, cli).source())
