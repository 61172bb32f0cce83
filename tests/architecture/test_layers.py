"""Imports: the contracts stand in pyproject.toml and `lint-imports` holds to them; here is what it cannot see."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import DOMAIN, PACKAGES, ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def contract(name: str) -> dict[str, Any]:
    (found,) = [item for item in CONTRACTS if item["name"] == name]
    return dict(found)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """The program that the module's own entry point runs, on whatever package lies in `folder`."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def test_every_package_and_module_of_the_broker_has_a_place_in_the_layers() -> None:
    layers = contract("Imports in the broker point down, and every package has a place")["layers"]
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    there = {path.stem if path.is_file() else path.name for path in (ROOT / "broker").iterdir() if is_ours(path)}
    assert there - placed == set(), "give the new package a place in the layers of pyproject.toml"


def is_ours(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.name != "__init__.py"


def test_every_provider_has_a_place_in_the_layers() -> None:
    layers = contract("Providers know the kit and not one another")["layers"]
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    assert {path.name for path in (ROOT / "providers").iterdir() if is_ours(path)} == placed


def test_the_rule_about_the_domain_covers_the_whole_domain() -> None:
    rule = contract("The domain knows neither HTTP nor settings nor terminals")
    assert {name.removeprefix("broker.") for name in rule["source_modules"]} == set(DOMAIN)


@pytest.mark.parametrize(
    ("layer", "source", "kept"),
    [
        ("upper", "import house.lower", True),
        ("lower", "import house.upper", False),
        ("stranger", "", False),
    ],
)
def test_the_linter_refuses_what_points_up_and_what_has_no_place(
    layer: str, source: str, kept: bool, tmp_path: Path
) -> None:
    """The settings that our contract relies on mean what we think they mean."""
    package = tmp_path / "house"
    package.mkdir()
    for name in ("__init__", "upper", "lower"):
        (package / f"{name}.py").touch()
    (package / f"{layer}.py").write_text(source)
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_package = house\n[importlinter:contract:1]\nname = layers\ntype = layers\n"
        "containers = house\nexhaustive = true\nlayers =\n    upper\n    lower\n"
    )
    done = lint_imports(tmp_path)
    assert (done.returncode == 0) is kept, done.stdout


def test_no_package_lies_outside_of_what_is_linted_and_typed() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert set(config["mypy"]["packages"]) == set(config["importlinter"]["root_packages"]) == set(PACKAGES)
