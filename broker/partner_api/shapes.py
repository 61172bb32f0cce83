"""The JSON shapes of what providers send and are sent, beyond those that all faces share. They describe the document.

What the broker sends a provider is built in `outbound`; a test holds its requests against these shapes.
Source: Add-on Partner API; what is an extension of ours says so.
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class ConfigEntry(TypedDict):
    """One config var under the manifest's name; null if it was not given."""

    name: str
    value: str | None


class Grant(TypedDict):
    """A one-time code, to be exchanged at `/oauth/token` before it expires."""

    code: str
    type: str
    expires_at: str


class TokenRequest(TypedDict):
    """A form, or the same parameters in the query of an empty POST. With `authorization_code` comes `code`, with
    `refresh_token` the token of this name."""

    grant_type: str
    client_secret: str
    code: NotRequired[str]
    refresh_token: NotRequired[str]


class Tokens(TypedDict):
    """Tokens for one add-on. A refresh token stays valid. Units: `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user_id: str
    session_nonce: None


class TokenRefusal(TypedDict):
    """Why there are no tokens. Source: RFC 6749, section 5.2."""

    error: str
    error_description: NotRequired[str]


class InstallResource(TypedDict):
    """The add-on, by uuid and name."""

    uuid: str
    name: str


class Install(TypedDict):
    """An add-on of the service, in the words of the oldest protocol."""

    provider_id: str | None
    heroku_id: str
    callback_url: str
    plan: str
    resource: InstallResource
    state: str


class InstallInfo(Install):
    """The same with what is known of the app that is charged."""

    id: str
    name: str
    config: dict[str, str]
    owner_email: str
    region: str
    domains: list[str]
    logplex_token: None
    log_input_url: None


class InstallConfig(TypedDict):
    """All config vars of an add-on, as a map."""

    config: dict[str, str | None]


class UsageReport(TypedDict):
    """What a meter showed. `quantity` is a decimal in quotes; `voids` names a report that shall not count."""

    resource: str
    id: NotRequired[str]
    unit: NotRequired[str]
    quantity: NotRequired[str]
    at: NotRequired[str]
    subject: NotRequired[str]
    voids: NotRequired[str]


class UsageBatch(TypedDict):
    """Reports; `timestamp` is the time of those that have none of their own."""

    usages: list[UsageReport]
    timestamp: NotRequired[str]


class UsageEventData(TypedDict):
    """What a meter showed, in a CloudEvent."""

    meter: NotRequired[str]
    quantity: NotRequired[str]
    subject: NotRequired[str]
    voids: NotRequired[str]


class UsageEvent(TypedDict):
    """A CloudEvent 1.0 whose `subject` is the uuid of an add-on. A list of them is taken, too."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    data: UsageEventData
    time: NotRequired[str]


class UsageResult(TypedDict):
    """What became of a report. `status`: accepted, duplicate, conflict or refused; the last two come with a reason."""

    id: str
    status: str
    reason: NotRequired[str]
    message: NotRequired[str]


class UsageResults(TypedDict):
    """A result for each report, in their order, and how many there are of each status."""

    accepted: int
    duplicate: int
    conflict: int
    refused: int
    results: list[UsageResult]


class ManifestPush(TypedDict):
    """A manifest. `$base` in it is the revision that it is based on."""

    contents: dict[str, Any]


class ManifestSummary(TypedDict):
    """One version of a manifest."""

    id: str
    created_at: str
    revision: int
    pushed_by: str


class ManifestVersion(ManifestSummary):
    """The same with its contents, in which developers see masks for secrets. `client_secret` comes with the first push alone."""

    contents: dict[str, Any]
    client_secret: NotRequired[str]


class ManifestRefusal(TypedDict):
    """Why not, for both kinds of client: `error` is a sentence, or has all faults of a manifest as `base`."""

    id: str
    message: str
    error: str | dict[str, list[str]]


class ClientSecret(TypedDict):
    """Shown this once."""

    client_secret: str


class ProvisionRequest(TypedDict):
    """Make the resource `uuid`. The same request again must not make another one. Ignore what you do not know."""

    uuid: str
    name: str
    plan: str
    region: str
    options: dict[str, str]
    callback_url: str
    oauth_grant: Grant
    log_input_url: NotRequired[str]
    log_drain_token: NotRequired[str]


class ProvisionAnswer(TypedDict):
    """The resource. `id` is what you know it by; `config` what apps need, under the names of the manifest."""

    id: str
    config: NotRequired[dict[str, str]]
    message: NotRequired[str]


class Accepted(TypedDict):
    """You will go on, PATCH config and POST to `callback_url` + `/actions/provision`."""

    id: NotRequired[str]
    message: NotRequired[str]


class Refused(TypedDict):
    """A sentence that the user is shown."""

    message: str


class PlanChangeRequest(TypedDict):
    """Move the resource to this plan, with its data."""

    plan: str


class Changed(TypedDict):
    """What is different now: only the config vars that have changed."""

    config: NotRequired[dict[str, str]]
    message: NotRequired[str]


class RotationRequest(TypedDict):
    """Names a change of credentials; the same name again gives the same ones."""

    rotation: str


class LoginRequest(TypedDict):
    """A login of its own for one app. `permission`: read_write or read_only."""

    credential: str
    name: str
    permission: str


class ListedResource(TypedDict):
    """A resource that exists."""

    id: str
    uuid: NotRequired[str]
    plan: NotRequired[str]
    state: NotRequired[str]
