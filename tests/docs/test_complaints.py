"""The page of what people complain of promises nothing that no test holds."""

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/what-people-complain-of.md").read_text(encoding="utf-8")


def test_every_row_of_the_page_names_tests_that_there_are() -> None:
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| trouble")]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, f"no test holds this: {row}"
        for file, test in named:
            assert re.search(rf"def {test}\(", (ROOT / file).read_text(encoding="utf-8")), f"{file} has no {test}"
