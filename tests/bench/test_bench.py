"""The bench works. What it measures is no test's business: machines differ, and are shared."""

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import main


@pytest.mark.timeout(300)
def test_a_quick_run_measures_everything_and_writes_it_down(tmp_path: Path, capsys) -> None:
    main(["--quick", "--json", str(tmp_path / "figures.json")])
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert "provisions accepted" in printed
    assert all(each["count"] > 0 for each in figures["measured"].values())
    assert figures["addons_add"]["count"] == 3
    assert [each["periods"] for each in figures["closings"]] == [200, 400]
    assert all(each["lines"] > each["accounts"] > 0 for each in figures["closings"])
    kinds = {each["page"] for each in figures["pages"]}
    assert {"front page", "listing", "search, by name", "dashboard, apps"} <= kinds
    assert all(each["count"] > 0 for each in figures["pages"])
