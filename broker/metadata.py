"""Imports every table, so that Alembic and the tests see all of them."""

from broker.accounts import models as accounts
from broker.accounts import proof_models as proofs
from broker.accounts import team_models as teams
from broker.addons import models as addons
from broker.addons import term_models as terms_of_addons
from broker.apps import models as apps
from broker.apps import term_models as terms_of_apps
from broker.billing import budget_models as budgets
from broker.billing import models as billing
from broker.billing import share_models as shares
from broker.catalog import models as catalog
from broker.catalog import search_models as search
from broker.events import models as events
from broker.flags import models as flags
from broker.kernel import ahead
from broker.kernel.db import Base
from broker.notices import models as notices
from broker.oauth import models as oauth
from broker.payments import dunning_models as dunning
from broker.payments import models as payments
from broker.payments import receipt_models as receipts
from broker.payouts import models as payouts

metadata = Base.metadata

__all__ = [
    "accounts",
    "addons",
    "ahead",
    "apps",
    "billing",
    "budgets",
    "catalog",
    "dunning",
    "events",
    "flags",
    "metadata",
    "notices",
    "oauth",
    "payments",
    "payouts",
    "proofs",
    "receipts",
    "search",
    "shares",
    "teams",
    "terms_of_addons",
    "terms_of_apps",
]
