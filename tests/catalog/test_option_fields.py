"""From a schema to the fields of a form, and from the form to options that the schema allows."""

from broker.catalog.option_fields import FieldKind, answered, option_fields
from broker.catalog.options import check_options

SCHEMA = {
    "properties": {
        "note": {"type": "string"},
        "key": {"type": "string", "writeOnly": True},
        "nodes": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3, "title": "Nodes", "description": "How many."},
        "mode": {"enum": ["fast", "safe", 3]},
        "backups": {"type": "boolean", "default": True},
        "tags": {"type": "array"},
        "odd": True,
    },
    "required": ["nodes"],
}  # fmt: skip


def test_each_rule_becomes_a_field_of_its_kind_and_what_is_required_comes_first() -> None:
    fields = option_fields(SCHEMA)
    assert [(each.name, each.kind) for each in fields] == [
        ("nodes", FieldKind.NUMBER),
        ("note", FieldKind.TEXT),
        ("key", FieldKind.SECRET),
        ("mode", FieldKind.CHOICE),
        ("backups", FieldKind.TRUTH),
        ("tags", FieldKind.TEXT),
    ]
    nodes = fields[0]
    assert (nodes.label, nodes.hint, nodes.default, nodes.least, nodes.most) == ("Nodes", "How many.", "3", "1", "9")
    assert fields[3].choices == ["fast", "safe", "3"]
    assert fields[4].default == "true"


def test_what_was_answered_is_what_the_schema_allows() -> None:
    fields = option_fields(SCHEMA)
    given = answered(fields, lambda name: {"nodes": "4", "mode": "safe"}.get(name, ""))
    assert given == {"nodes": "4", "mode": "safe", "backups": "false"}
    check_options("store:big", SCHEMA, given)


def test_without_a_schema_nothing_is_asked() -> None:
    assert option_fields(None) == option_fields({}) == option_fields({"properties": []}) == []
