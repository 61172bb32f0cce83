"""Options of a plan: what its schema wants is enforced, and a schema of the partner's can neither fetch nor stall."""

from typing import Any

import pytest

from broker.catalog.options import check_options, schema_complaint
from broker.kernel.errors import InvalidParams

SCHEMA = {
    "type": "object",
    "properties": {
        "version": {"enum": ["16", "17"]},
        "replicas": {"type": "integer", "minimum": 0, "maximum": 3},
        "tls": {"type": "boolean"},
        "label": {"type": "string", "pattern": "^(a+)+$"},
    },
    "required": ["version"],
}


@pytest.mark.parametrize(
    "options", [{"version": "17"}, {"version": "16", "replicas": "2", "tls": "true"}, {"version": "17", "label": "aaa"}]
)
def test_what_the_schema_allows_passes(options: dict[str, str]) -> None:
    check_options("store:big", SCHEMA, options)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, '"version" is a required property'),
        ({"version": "9"}, "version: the value is not one of"),
        ({"version": "17", "replicas": "7"}, "replicas: the value is greater than the maximum of 3"),
        ({"version": "17", "replicas": "two"}, 'replicas: the value is not of type "integer"'),
        ({"version": "17", "tls": "yes"}, 'tls: the value is not of type "boolean"'),
        ({"version": "17", "verison": "16"}, "'verison' was unexpected"),
        ({"version": "17", "label": "a" * 10_000 + "b"}, "label: the value does not match"),
        ({"version": "17", "replicas": "[" * 10_000}, "replicas"),
    ],
)
def test_what_it_does_not_is_refused_and_the_options_are_named(options: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidParams) as refusal:
        check_options("store:big", SCHEMA, options)
    assert fault in refusal.value.message
    assert "The options of store:big are version, replicas, tls, label." in refusal.value.message


def test_a_value_is_not_quoted_because_it_may_be_a_secret() -> None:
    with pytest.raises(InvalidParams) as refusal:
        check_options("store:big", SCHEMA, {"version": "canary-secret", "label": "canary-secret"})
    assert "canary" not in refusal.value.message


def test_without_a_schema_everything_is_let_through() -> None:
    check_options("store:big", None, {"anything": "at all"})


def test_a_schema_may_let_unknown_options_through() -> None:
    check_options("store:big", SCHEMA | {"additionalProperties": True}, {"version": "17", "other": "x"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"a": {"pattern": "(?=look)ahead"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": []},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_beforehand(schema: dict[str, Any]) -> None:
    assert (schema_complaint(schema) or "").startswith("is not a JSON Schema")
