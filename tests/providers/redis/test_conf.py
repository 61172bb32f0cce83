"""What an instance is configured with."""

from __future__ import annotations

import json
from pathlib import Path

from providers.redis.conf import Blueprint, configuration, users
from providers.redis.plans import PLANS

SECRETS = ("tenant-password", "operator-password")


def blueprint(plan: str) -> Blueprint:
    return Blueprint("127.0.0.1", 20001, PLANS[plan], "noeviction", *SECRETS)


def test_no_password_is_written_anywhere() -> None:
    made = blueprint("mini")
    assert not any(secret in text for secret in SECRETS for text in (configuration(made), users(made), repr(made)))


def test_paid_plans_keep_keys_and_the_free_one_does_not() -> None:
    assert "appendonly no\n" in configuration(blueprint("mini"))
    assert all("appendonly yes\n" in configuration(blueprint(plan)) for plan in PLANS if plan != "mini")


def test_a_bigger_plan_has_more_of_everything() -> None:
    plans = list(PLANS.values())
    assert plans == sorted(plans, key=lambda plan: (plan.memory_mb, plan.clients, plan.persistent))


def test_the_manifest_that_is_shipped_offers_exactly_these_plans() -> None:
    manifest = json.loads((Path(__file__).parents[3] / "manifests" / "redis.json").read_text())
    assert [plan["name"] for plan in manifest["plans"]] == list(PLANS)
    assert manifest["api"]["config_vars"] == ["REDIS_URL"]
