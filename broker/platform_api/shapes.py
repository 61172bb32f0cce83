"""The JSON shapes of this face, every member always present. They type `serialize.py` and describe the OpenAPI document.

Source: the public Platform API schema, version 3; members outside of it are marked.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from broker.platform_api.operating_shapes import Drift as Drift
from broker.platform_api.operating_shapes import DriftMoney as DriftMoney
from broker.platform_api.operating_shapes import DriftReport as DriftReport
from broker.platform_api.operating_shapes import Orphan as Orphan
from broker.platform_api.operating_shapes import PendingOperation as PendingOperation
from broker.platform_api.operating_shapes import ProviderHealth as ProviderHealth
from broker.platform_api.operating_shapes import ReconciledService as ReconciledService
from broker.platform_api.operating_shapes import ReconcileRun as ReconcileRun


class Ref(TypedDict):
    """Something else, by id and name."""

    id: str
    name: str


class UserRef(TypedDict):
    """A person, by id and e-mail address."""

    id: str
    email: str


class Error(TypedDict):
    """A refusal: a stable id to match on, and a sentence for people. Some carry `resource`, `app` or `url` besides."""

    id: str
    message: str


class App(TypedDict):
    """An app."""

    id: str
    name: str
    acm: bool
    archived_at: str | None
    buildpack_provided_description: str | None
    build_stack: Ref
    stack: Ref
    generation: Ref
    created_at: str
    updated_at: str
    released_at: str | None
    git_url: str
    web_url: str
    internal_routing: bool | None
    maintenance: bool
    owner: UserRef
    organization: Ref | None
    team: Ref | None
    region: Ref
    repo_size: int | None
    slug_size: int | None
    space: Ref | None


class Price(TypedDict):
    """Per month. `metered` and `currency` are outside the public schema."""

    cents: int
    contract: bool
    unit: str
    metered: bool
    currency: str


class Service(TypedDict):
    """An add-on service. From `tagline` on, the members are outside the public schema."""

    id: str
    name: str
    human_name: str
    cli_plugin_name: str | None
    state: str
    supports_multiple_installations: bool
    supports_sharing: bool
    supported_generations: list[Ref]
    created_at: str
    updated_at: str
    tagline: str | None
    description: str | None
    category: str | None
    tags: list[str]
    docs: str | None
    docs_url: str | None
    support_email: str | None
    regions: list[str]


class ServiceRef(TypedDict):
    """An add-on service inside something else."""

    id: str
    name: str
    human_name: str
    state: str
    supports_multiple_installations: bool
    supports_sharing: bool


class Plan(TypedDict):
    """A plan. `features`, `regions` and `options_schema` are outside the public schema."""

    id: str
    name: str
    human_name: str
    description: str
    addon_service: ServiceRef
    compliance: list[str] | None
    default: bool
    visible: bool
    state: str
    price: Price
    space_default: bool
    installable_inside_private_network: bool
    installable_outside_private_network: bool
    created_at: str
    updated_at: str
    features: dict[str, Any]
    regions: list[str]
    options_schema: dict[str, Any] | None


class Billing(TypedDict):
    """Who pays."""

    id: str
    name: str
    type: Literal["app", "team"]


class Addon(TypedDict):
    """An add-on. `reason` (why it is not what was asked for) is outside the public schema."""

    id: str
    name: str
    actions: list[dict[str, Any]]
    addon_service: Service
    app: Ref
    billing_entity: Billing
    billed_price: Price
    config_vars: list[str]
    created_at: str
    updated_at: str
    plan: Plan
    provider_id: str
    provision_message: str
    reason: str | None
    state: str
    web_url: str | None


class AttachedAddon(TypedDict):
    """The add-on of an attachment."""

    id: str
    name: str
    app: Ref
    plan: Plan
    state: str


class Attachment(TypedDict):
    """An attachment. `config_vars` are names."""

    id: str
    name: str
    namespace: str | None
    addon: AttachedAddon
    app: Ref
    config_vars: list[str]
    web_url: str | None
    log_input_url: str | None
    created_at: str
    updated_at: str


class Operation(TypedDict):
    """What was, is or will be done for an add-on. Outside the public schema."""

    id: str
    addon: dict[str, str]
    kind: str
    state: str
    attempts: int
    next_attempt_at: str | None
    deadline_at: str
    reason: str | None
    history: list[dict[str, Any]]
    created_at: str
    updated_at: str
    finished_at: str | None


class Release(TypedDict):
    """A release."""

    id: str
    version: int
    description: str
    status: Literal["failed", "pending", "succeeded", "expired"]
    current: bool
    eligible_for_rollback: bool
    user: UserRef
    app: Ref
    slug: Ref | None
    artifacts: list[dict[str, str]]
    addon_plan_names: list[str]
    output_stream_url: str | None
    created_at: str
    updated_at: str


class Account(TypedDict):
    """The account behind the token."""

    id: str
    email: str
    name: str | None
    allow_tracking: bool
    beta: bool
    federated: bool
    verified: bool
    two_factor_authentication: bool
    sms_number: str | None
    country_of_residence: str | None
    suspended_at: str | None
    delinquent_at: str | None
    last_login: str | None
    default_team: Ref | None
    default_organization: Ref | None
    identity_provider: Ref | None
    created_at: str
    updated_at: str


class Token(TypedDict):
    """An access token; complete only in the answer that made it."""

    id: str
    token: str
    expires_in: int | None


class AuthorizedUser(TypedDict):
    """Whose token it is."""

    id: str
    email: str
    full_name: str | None


class Authorization(TypedDict):
    """An API token's record."""

    id: str
    description: str
    scope: list[str]
    access_token: Token
    refresh_token: Token | None
    client: Ref | None
    grant: Ref | None
    session: Ref | None
    user: AuthorizedUser
    created_at: str
    updated_at: str


class CollaboratorUser(TypedDict):
    """A person on an app."""

    id: str
    email: str
    federated: bool


class Collaborator(TypedDict):
    """A person's part in an app."""

    id: str
    app: Ref
    user: CollaboratorUser
    role: str
    created_at: str
    updated_at: str


class Region(TypedDict):
    """Where apps and add-ons can be."""

    id: str
    name: str
    description: str
    country: str
    locale: str
    private_capable: bool
    provider: dict[str, str]
    created_at: str
    updated_at: str


class Stack(TypedDict):
    """A stack of a platform; only its name means something here."""

    id: str
    name: str
    default: bool
    state: str
    created_at: str
    updated_at: str


class RateLimit(TypedDict):
    """How many requests are left to the token now."""

    remaining: int


class AddonUsage(TypedDict):
    """What an add-on metered in this period."""

    id: str
    meters: dict[str, dict[str, int]]


class Usage(TypedDict):
    """What the add-ons of an app metered."""

    addons: list[AddonUsage]


ConfigVars = dict[str, str]
