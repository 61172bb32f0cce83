"""The reference of the manifest tells the truth."""

import dataclasses
import json
import re
from pathlib import Path

from broker.catalog.manifest import CAPABILITIES, REGIONS, REQUIRES, Listing, parse
from broker.catalog.manifest_plans import PlanState

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "manifest.md").read_text(encoding="utf-8")


def test_the_complete_example_is_a_manifest() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    assert [plan.slug for plan in parse(json.loads(example)).plans] == ["mini", "large"]


def test_every_word_that_a_manifest_may_use_is_explained() -> None:
    listing = [field.name for field in dataclasses.fields(Listing)]
    words = {*CAPABILITIES, *REGIONS, *REQUIRES, *PlanState, *listing}
    assert {word for word in words if f"`{word}`" not in REFERENCE} == set()
