"""What webhooks can be told fits what is recorded, and what can be rendered."""

import ast

from broker.events.entities import CHANGES, ENDS, FOR_ADDONS, FOR_APPS, PREFIX
from broker.faces.webhook_payloads import WebhookPayloads
from tests.architecture.source import modules, tree


def literals() -> set[str]:
    """Every text that stands in the code of the domain, but for the table of changes."""
    found = (path for package in ("apps", "addons") for path in modules(f"broker/{package}"))
    return {node.value for path in found for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}


def test_every_kind_that_webhooks_are_told_is_recorded_somewhere() -> None:
    assert set(CHANGES) - literals() == set()
    assert set(CHANGES) >= ENDS


def test_every_resource_can_be_included_and_rendered() -> None:
    changes = [change for told in CHANGES.values() for change in told]
    rendered = WebhookPayloads("https://broker.example.com")._render
    assert {change.resource for change in changes} == set(rendered)
    assert {change.include for change in changes} <= FOR_APPS
    assert all(include.startswith(PREFIX) for include in FOR_APPS)
    assert FOR_APPS >= FOR_ADDONS
