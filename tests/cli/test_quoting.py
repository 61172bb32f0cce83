"""Config vars through real shells and back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.cli.quoting import expand, split_pass_through
from broker.faces.env_text import (
    BadLine,
    export_text,
    parse_env,
    shell_line,
    shell_quote,
    shell_text,
)

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh") if shutil.which(shell)]

values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", " ", "\n", "a\nb\n", "\r\n", "'", '"', "$HOME", "`id`", "$(id)", "\\", "a\\nb", "~", "a:~b", "!x", "#x", "é", "日本", "-n",
     "postgres://u:p%40@127.0.0.1:5432/db?sslmode=disable&a=b", "{a,b}", "*", "a=b", "\x01\x7f", "\u2028", "it's"]
)  # fmt: skip
names = st.from_regex(r"V_[A-Za-z0-9_]{1,8}", fullmatch=True)


def environment_after(shell: str, script: str, directory: Path) -> dict[str, str]:
    """The V_ variables of a child of the shell after a script."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [shell, "-c", f"{script}\nexec env -0"], cwd=directory, env=environment, capture_output=True, check=True
    )
    assert done.stderr == b""
    pairs = (entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry.startswith("V_"))
    return dict(pairs)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variables=st.dictionaries(names, values, max_size=12))
def test_every_value_comes_back_when_a_shell_reads_the_file(
    shell: str, variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(shell_text(variables), encoding="utf-8", newline="\n")
    assert environment_after(shell, "set -a; . ./.env; set +a", tmp_path) == variables


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variables=st.dictionaries(names, values, min_size=1, max_size=12))
def test_export_lines_survive_eval(shell: str, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(export_text(variables), encoding="utf-8", newline="\n")
    assert environment_after(shell, 'eval "$(cat lines)"', tmp_path) == variables


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variables=st.dictionaries(names, st.from_regex(r"[A-Za-z0-9_@%+=:,./?^-]{0,30}", fullmatch=True), min_size=1))
def test_simple_values_also_survive_export_of_the_split_file(
    shell: str, variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(shell_text(variables), encoding="utf-8")
    assert "'" not in shell_text(variables)
    assert environment_after(shell, "export $(cat .env)", tmp_path) == variables


@given(variables=st.dictionaries(names, values))
def test_what_is_written_is_read_back(variables: dict[str, str]) -> None:
    assert parse_env(shell_text(variables)) == variables


def test_a_database_address_needs_no_quotes() -> None:
    address = "postgres://u1:p%40ss@127.0.0.1:5432/db_1?sslmode=disable"
    assert shell_line("DATABASE_URL", address) == f"DATABASE_URL={address}"


def test_an_empty_value_is_written_without_quotes() -> None:
    assert shell_line("EMPTY", "") == "EMPTY="


def test_a_name_that_could_be_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of a variable"):
        shell_line("A=1; rm -rf x; B", "value")


def test_a_value_with_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        shell_quote("a\0b")


def test_a_hand_written_file_is_understood() -> None:
    text = '# comment\n\nexport A=1\n  B=\'x y\' # why\nC="say \\"hi\\""\nD=two words  \nE=\n'
    assert parse_env(text) == {"A": "1", "B": "x y", "C": 'say "hi"', "D": "two words", "E": ""}


def test_a_file_of_windows_is_understood() -> None:
    text = "\ufeffA=1\r\n\r\n  # told\r\nB='two words'\r\n"
    assert parse_env(text) == {"A": "1", "B": "two words"}


@pytest.mark.parametrize(("text", "line"), [("A=1\nnonsense\n", 2), ("A='x\ny\n", 1), ("A='1\n2'\n1B=x", 3)])
def test_a_bad_line_is_named_by_its_number(text: str, line: int) -> None:
    with pytest.raises(BadLine) as caught:
        parse_env(text)
    assert caught.value.number == line


def test_only_vars_of_the_app_are_expanded_in_arguments() -> None:
    variables = {"DATABASE_URL": "postgres://x", "A": "$DATABASE_URL"}
    assert expand("-d${DATABASE_URL} $A $HOME $$ $1", variables) == "-dpostgres://x $DATABASE_URL $HOME $$ $1"


def test_options_for_the_add_on_are_values_or_true() -> None:
    words = ["--version", "16", "--flag", "--region=eu", "--empty="]
    assert split_pass_through(words) == {"version": "16", "flag": True, "region": "eu", "empty": ""}


def test_a_word_without_option_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to no option"):
        split_pass_through(["--version", "16", "17"])
