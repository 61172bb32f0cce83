"""What is sent: bodies that are good enough for success, and what has to be there first. Braces are filled in from the world."""

from typing import Any

from tests.addons.conftest import MANIFEST
from tests.matrix.routes import Key

Making = tuple[str, str, str, str, Any]
"""Name in the world, who makes it, and by which request."""

_HOOK = {"include": ["api:addon", "api:release"], "level": "sync", "url": "https://example.com/"}

MAKING: tuple[Making, ...] = (
    ("forgotten", "operat", "POST", "/addons/lost-store/actions/forget", {"reason": "for the matrix"}),
    ("orphan_id", "operat", "GET", "/orphans", None),
    ("run_id", "operat", "POST", "/reconcile-runs", {}),
    ("authorization", "owner", "POST", "/oauth/authorizations", {"description": "of alice"}),
    ("webhook", "owner", "POST", "/apps/shop/webhooks", _HOOK),
    ("addon_webhook", "partn", "POST", "/addons/my-store/webhooks", _HOOK | {"include": ["api:addon"]}),
    ("changed", "owner", "PATCH", "/apps/shop/addons/my-store", {"name": "main-store"}),
    ("changed", "owner", "PATCH", "/apps/shop/addons/main-store", {"name": "my-store"}),
    ("session", "owner", "GET", "/oauth/sessions", None),
    ("client", "owner", "POST", "/oauth/clients", {"name": "Reader", "redirect_uri": "https://example.com/back"}),
    ("entitled", "member", "POST", "/provider-services/store/entitlements", {"email": "zoe@example.com"}),
    (
        "developer",
        "member",
        "POST",
        "/provider-services/store/members",
        {"email": "zoe@example.com", "role": "developer"},
    ),
    ("team", "owner", "POST", "/teams", {"name": "acme"}),
    ("crew", "owner", "POST", "/teams/apps", {"team": "acme", "name": "crew"}),
    ("team_member", "owner", "PUT", "/teams/acme/members", {"email": "zoe@example.com", "role": "viewer"}),
    ("invitation", "owner", "PUT", "/teams/acme/invitations", {"email": "bob@example.com", "role": "member"}),
    ("budget", "owner", "POST", "/account/budgets", {"limit_minor": 1}),
    ("mail", "operat", "GET", "/mails", None),
    ("manifest", "member", "GET", "/api/v3/addons/store/manifests", None),
    ("payment", "operat", "POST", "/billing/invoices/{invoice}/payments", {"amount_minor": 100, "reference": "a bank"}),
    ("refund", "operat", "POST", "/billing/payments/{payment}/refunds", {"amount_minor": 10, "reason": "a part"}),
    ("app_transfer", "owner", "POST", "/account/app-transfers", {"app": "shop", "recipient": "bob@example.com"}),
    (
        "addon_transfer",
        "owner",
        "POST",
        "/addons/my-store/actions/transfer",
        {"recipient": "bob@example.com"},
    ),
    ("payer", "owner", "PUT", "/apps/shop/payer", {"payer": "bob@example.com"}),
    ("scheduled", "owner", "PUT", "/addons/my-store/scheduled-plan-change", {"plan": "store:big"}),
)
"""In this order; what is only read was made by something before it."""

TOLD: tuple[Making, ...] = (
    ("event", "owner", "GET", "/apps/shop/webhook-events", None),
    ("delivery", "owner", "GET", "/apps/shop/webhook-deliveries", None),
    ("addon_event", "partn", "GET", "/addons/my-store/webhook-events", None),
    ("addon_delivery", "partn", "GET", "/addons/my-store/webhook-deliveries", None),
)
"""After the webhooks have told of it."""

NAMES = {
    "app": "shop",
    "release": "1",
    "collaborator": "bob@example.com",
    "service": "store",
    "slug": "store",
    "plan": "store:free",
    "region": "us",
    "stack": "heroku-24",
    "category": "utilities",
    "feature": "none",
    "namespace": "default",
    "path": "style.css",
    "email": "zoe@example.com",
    "member": "zoe@example.com",
    "name": "default",
    "database": "{addon}",
    "resource": "{addon_id}",
    "key": "{addon_id}",
    "version": "{manifest}",
    "line": "1",
    "method": "{payment_method}",
    "chargeback": "dp_none",
    "orphan": "{orphan_id}",
    "run": "{run_id}",
    "login": "of-nobody",
    "person": "zoe@example.com",
    "team_invitation": "{invitation}",
    "passkey": "00000000-0000-7000-8000-000000000000",
    "operation": "00000000-0000-7000-8000-000000000000",
    "account": "00000000-0000-7000-8000-000000000000",
    "job": "1",
    "flag_name": "installs",
    "position": "1",
    "format_": "csv?month=2026-10",
}
"""What stands for the parameters of paths, where the world has no name for it."""

_OF_ADDON = {"webhook": "{addon_webhook}", "event": "{addon_event}", "delivery": "{addon_delivery}"}

INSTEAD: dict[Key, dict[str, str]] = {
    ("POST", "/provider-services/{service}/webhook-deliveries/{delivery}/actions/retry"): {
        "delivery": "{addon_delivery}"
    },
    ("GET", "/teams/{team}/apps/{app}/usage"): {"app": "crew"},
    ("GET", "/teams/{team}/features/{feature}"): {"feature": "team-invite-acceptance"},
    ("GET", "/dashboard/apps/{app}/attachments/{attachment}/detach"): {"app": "other"},
    ("GET", "/apps/{app}/addon-attachments/{attachment}"): {"app": "other"},
    ("GET", "/sso/apps/{app}/attachments/{attachment}"): {"app": "other"},
}
"""The same for one route, where it means something else."""


def instead(key: Key) -> dict[str, str]:
    """What stands for the parameters of this route alone."""
    return INSTEAD.get(key, _OF_ADDON if key[1].startswith("/addons/{addon}/webhook") else {})


_BATCH = {"usages": [{"resource": {"id": "{addon_id}"}, "unit": {"name": "rows"}, "quantity": "5", "id": "1"}]}
_READING = {"meter": "rows", "quantity": "5"}
_EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "usage", "subject": "{addon_id}", "data": _READING}

BODIES: dict[Key, Any] = {
    ("POST", "/addons/{addon}/usage_batches"): _BATCH,
    ("POST", "/addons/{addon}/usage_events"): _EVENT,
    ("POST", "/api/v3/addons/{slug}/usage_batches"): _BATCH,
    ("POST", "/api/v3/addons/{slug}/usage_events"): _EVENT,
    ("POST", "/auth"): {"description": "a command line"},
    ("POST", "/teams"): {"name": "umbrella"},
    ("PATCH", "/teams/{team}"): {"name": "umbrella"},
    ("PATCH", "/teams/{team}/members"): {"email": "zoe@example.com", "role": "member"},
    ("POST", "/teams/{team}/members"): {"email": "zoe@example.com", "role": "member"},
    ("PUT", "/teams/{team}/members"): {"email": "zoe@example.com", "role": "member"},
    ("PUT", "/teams/{team}/invitations"): {"email": "guest@example.com", "role": "viewer"},
    ("POST", "/account/team-invitations/actions/accept"): {"invitation": "{invitation}"},
    ("POST", "/account/team-invitations/actions/decline"): {"invitation": "{invitation}"},
    ("POST", "/teams/apps"): {"team": "acme"},
    ("PATCH", "/teams/apps/{app}"): {"owner": "acme"},
    ("POST", "/teams/apps/{app}/collaborators"): {"user": "zoe@example.com"},
    ("POST", "/invitations"): {"email": "guest@example.com"},
    ("POST", "/billing/closes"): {},
    ("POST", "/billing/receipts"): {"email": "bob@example.com", "amount_minor": 100, "reference": "for the matrix"},
    ("POST", "/billing/payouts/{payout}/actions/fail"): {"reason": "for the matrix"},
    ("POST", "/provider-services/{service}/shares"): {"share_bp": 8000},
    ("POST", "/billing/credits"): {"email": "alice@example.com", "amount_minor": 100, "reason": "for the matrix"},
    ("POST", "/billing/invoices/{invoice}/credit-notes"): {"reason": "for the matrix"},
    ("POST", "/billing/invoices/{invoice}/payments"): {"amount_minor": 100, "reference": "for the matrix"},
    ("POST", "/billing/payments/{payment}/settlement"): {"outcome": "failed", "evidence": "asked the bank"},
    ("POST", "/billing/chargebacks/{chargeback}/settlement"): {"outcome": "lost", "evidence": "asked the bank"},
    ("POST", "/billing/refunds/{refund}/settlement"): {"outcome": "failed", "evidence": "asked the bank"},
    ("POST", "/billing/payments/{payment}/refunds"): {"reason": "for the matrix"},
    ("PATCH", "/billing/terms/{email}"): {"discount_bp": 0},
    ("POST", "/billing/verifications"): {"email": "alice@example.com"},
    ("PATCH", "/account/payment-methods/{payment_method}"): {"default": True},
    ("POST", "/billing/invoices/{invoice}/disputes"): {"reason": "for the matrix"},
    ("POST", "/actions/addons/suspend"): {"addon": "{addon}", "reason": "for the matrix"},
    ("POST", "/actions/addons/resume"): {"addon": "{addon}"},
    ("POST", "/account/budgets"): {"limit_minor": 5000},
    ("PATCH", "/account/budgets/{budget}"): {"limit_minor": 5000},
    ("POST", "/account/app-transfers"): {"app": "other", "recipient": "zoe@example.com"},
    ("PATCH", "/account/app-transfers/{app_transfer}"): {"state": "accepted"},
    ("PATCH", "/account/addon-transfers/{addon_transfer}"): {"state": "declined"},
    ("POST", "/addons/{addon}/actions/transfer"): {"app": "other"},
    ("PUT", "/apps/{app}/payer"): {"payer": "zoe@example.com"},
    ("PUT", "/addons/{addon}/scheduled-plan-change"): {"plan": "store:huge"},
    ("PATCH", "/apps/{app}/tags"): {"tags": {"team": "growth"}},
    ("PATCH", "/account/tags"): {"tags": {"team": "growth"}},
    ("POST", "/actions/addons/preview"): {"action": "create", "app": "shop", "plan": "store:free"},
    ("POST", "/apps"): {"name": "brand-new"},
    ("PATCH", "/apps/{app}"): {"maintenance": True},
    ("POST", "/apps/{app}/addons"): {"plan": "store:free"},
    ("PATCH", "/apps/{app}/addons/{addon}"): {"name": "renamed"},
    ("PATCH", "/apps/{app}/config-vars"): {"GREETING": "hello"},
    ("POST", "/apps/{app}/releases"): {"release": "1"},
    ("POST", "/apps/{app}/collaborators"): {"user": "olga@example.com"},
    ("POST", "/actions/addons/resolve"): {"addon": "my-store"},
    ("POST", "/actions/addon-attachments/resolve"): {"addon_attachment": "{attachment}"},
    ("POST", "/addon-attachments"): {"addon": "my-store", "app": "shop", "name": "SECOND"},
    ("POST", "/oauth/authorizations"): {"description": "new"},
    ("PATCH", "/oauth/authorizations/{authorization}"): {"description": "other words"},
    ("POST", "/oauth/clients"): {"name": "Writer", "redirect_uri": "https://example.com/back"},
    ("PATCH", "/oauth/clients/{client}"): {"name": "Another name"},
    ("POST", "/addons/{addon}/credentials"): {"name": "reader"},
    ("POST", "/postgres/v0/databases/{database}/credentials"): {"name": "reader"},
    ("POST", "/orphans/{orphan_id}/actions/resolve"): {"reason": "by hand"},
    ("POST", "/addons/{addon}/actions/forget"): {"reason": "gone"},
    ("POST", "/reconcile-runs"): {},
    ("PUT", "/account-locks/{person}"): {"reason": "for the matrix"},
    ("POST", "/teams/{team}/actions/appoint-owner"): {"email": "zoe@example.com"},
    ("PUT", "/flags/{flag_name}"): {"on": False, "reason": "for the matrix"},
    ("PATCH", "/addons/{addon}/config"): {"config": [{"name": "STORE_URL", "value": "store://2"}]},
    ("DELETE", "/apps/{app}/addons/{addon}"): {"force": True},
    ("POST", "/apps/{app}/webhooks"): _HOOK,
    ("PATCH", "/apps/{app}/webhooks/{webhook}"): _HOOK,
    ("POST", "/addons/{addon}/webhooks"): _HOOK | {"include": ["api:addon"]},
    ("PATCH", "/addons/{addon}/webhooks/{webhook}"): _HOOK | {"include": ["api:addon"]},
    ("POST", "/api/v3/addons/{slug}/manifests"): {"contents": MANIFEST},
    ("POST", "/provider-services/{service}/actions/sunset"): {"at": "2028-01-01T00:00:00Z"},
    ("PATCH", "/provider-services/{service}/canary"): {"every_s": 3600},
    ("POST", "/provider-services/{service}/conformance"): {"statement": {}, "signature": "of nobody"},
    ("POST", "/provider-services/{service}/actions/refuse"): {"note": "not yet"},
    ("POST", "/provider-services/{service}/entitlements"): {"email": "mallory@example.com"},
    ("POST", "/provider-services/{service}/members"): {"email": "mallory@example.com", "role": "developer"},
    ("PUT", "/vendor/apps/{key}"): {"config": {"STORE_URL": "store://3"}},
}
"""JSON bodies."""
