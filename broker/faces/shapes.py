"""The JSON shapes that several faces answer with, every member always present.

Source: the public Platform API schema, version 3; members outside of it are marked.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict


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
    """Per month. `metered`, `kind` and `currency` are outside the public schema."""

    cents: int
    contract: bool
    unit: str
    metered: bool
    kind: str
    currency: str


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


class Sunset(TypedDict):
    """The announced end of a service. `message` is for its users."""

    at: str
    successor: str | None
    message: str


class Conformance(TypedDict):
    """Who says what of a run of the provider test kit: a statement, signed by somebody whom the operators trust."""

    at: str
    kit: str
    strict: bool
    summary: dict[str, int]


class Reliability(TypedDict):
    """What the runs of a service's canary came to in 30 days. Units: milliseconds until a resource could be used.

    With too few runs `measured` is false, and what they would come to is null. `available_percent` is a share of the time, of
    which each run speaks for the part until the next.
    """

    measured: bool
    runs: int
    passed: int
    passed_percent: float | None
    available_percent: float | None
    provision_median_ms: int | None
    provision_p95_ms: int | None
    since: str
    until: str
    summary: str


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
    sunset: Sunset | None
    conformance: Conformance | None
    reliability: Reliability | None


class ServiceRef(TypedDict):
    """An add-on service inside something else."""

    id: str
    name: str
    human_name: str
    state: str
    supports_multiple_installations: bool
    supports_sharing: bool


class Plan(TypedDict):
    """A plan. From `features` on, the members are outside the public schema. `trial_days`: how long it costs nothing at first."""

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
    trial_days: int


class Billing(TypedDict):
    """Who pays."""

    id: str
    name: str
    type: Literal["app", "team"]


class Addon(TypedDict):
    """An add-on. `reason` (why it is not what was asked for), `suspended_at` and `suspended_for` (`unpaid`, or `unbilled` when
    it is not its user's fault) are outside the public schema."""

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
    suspended_at: str | None
    suspended_for: str | None
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


class RateLimit(TypedDict):
    """How many requests are left to the token now."""

    remaining: int
