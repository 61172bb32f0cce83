"""The JSON shapes of this face, every member always present. They type `serialize.py` and describe the OpenAPI document.

Source: the public Platform API schema, version 3; members outside of it are marked.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from broker.faces.shapes import Addon as Addon
from broker.faces.shapes import App as App
from broker.faces.shapes import AttachedAddon as AttachedAddon
from broker.faces.shapes import Attachment as Attachment
from broker.faces.shapes import Billing as Billing
from broker.faces.shapes import Collaborator as Collaborator
from broker.faces.shapes import CollaboratorUser as CollaboratorUser
from broker.faces.shapes import Conformance as Conformance
from broker.faces.shapes import Error as Error
from broker.faces.shapes import Plan as Plan
from broker.faces.shapes import Price as Price
from broker.faces.shapes import RateLimit as RateLimit
from broker.faces.shapes import Ref as Ref
from broker.faces.shapes import Release as Release
from broker.faces.shapes import Reliability as Reliability
from broker.faces.shapes import Service as Service
from broker.faces.shapes import ServiceRef as ServiceRef
from broker.faces.shapes import Sunset as Sunset
from broker.faces.shapes import UserRef as UserRef
from broker.faces.webhook_shapes import Webhook as Webhook
from broker.faces.webhook_shapes import WebhookAttempt as WebhookAttempt
from broker.faces.webhook_shapes import WebhookDelivery as WebhookDelivery
from broker.faces.webhook_shapes import WebhookEvent as WebhookEvent
from broker.faces.webhook_shapes import WebhookEventRef as WebhookEventRef
from broker.faces.webhook_shapes import WebhookRef as WebhookRef
from broker.platform_api.budget_shapes import Budget as Budget
from broker.platform_api.budget_shapes import BudgetNotice as BudgetNotice
from broker.platform_api.budget_shapes import BudgetRequest as BudgetRequest
from broker.platform_api.budget_shapes import BudgetScope as BudgetScope
from broker.platform_api.budget_shapes import Preview as Preview
from broker.platform_api.budget_shapes import PreviewApp as PreviewApp
from broker.platform_api.budget_shapes import PreviewCost as PreviewCost
from broker.platform_api.budget_shapes import PreviewObstacle as PreviewObstacle
from broker.platform_api.canary_shapes import Canary as Canary
from broker.platform_api.canary_shapes import CanaryCheck as CanaryCheck
from broker.platform_api.canary_shapes import CanaryRun as CanaryRun
from broker.platform_api.canary_shapes import ProvisionRecord as ProvisionRecord
from broker.platform_api.canary_shapes import ServiceRecord as ServiceRecord
from broker.platform_api.cli_login_shapes import CliLogin as CliLogin
from broker.platform_api.cli_login_shapes import CliLoginResult as CliLoginResult
from broker.platform_api.cost_shapes import CostLine as CostLine
from broker.platform_api.cost_shapes import Costs as Costs
from broker.platform_api.cost_shapes import CostSpan as CostSpan
from broker.platform_api.cost_shapes import CostStatement as CostStatement
from broker.platform_api.cost_shapes import CostTotals as CostTotals
from broker.platform_api.invoice_shapes import AccountCredit as AccountCredit
from broker.platform_api.invoice_shapes import BooksCheck as BooksCheck
from broker.platform_api.invoice_shapes import ClosedMonth as ClosedMonth
from broker.platform_api.invoice_shapes import CreditNote as CreditNote
from broker.platform_api.invoice_shapes import Invoice as Invoice
from broker.platform_api.invoice_shapes import InvoiceDocument as InvoiceDocument
from broker.platform_api.invoice_shapes import InvoiceLine as InvoiceLine
from broker.platform_api.invoice_shapes import LineExplanation as LineExplanation
from broker.platform_api.listing_shapes import ChecklistPoint as ChecklistPoint
from broker.platform_api.listing_shapes import Entitlement as Entitlement
from broker.platform_api.listing_shapes import ListedPlan as ListedPlan
from broker.platform_api.listing_shapes import OwnListing as OwnListing
from broker.platform_api.listing_shapes import OwnService as OwnService
from broker.platform_api.listing_shapes import PlanPriceVersion as PlanPriceVersion
from broker.platform_api.listing_shapes import ServiceMember as ServiceMember
from broker.platform_api.listing_shapes import ServiceReview as ServiceReview
from broker.platform_api.notice_shapes import Invitation as Invitation
from broker.platform_api.notice_shapes import Mail as Mail
from broker.platform_api.notice_shapes import Notice as Notice
from broker.platform_api.notice_shapes import WholeMail as WholeMail
from broker.platform_api.oauth_shapes import GivenToken as GivenToken
from broker.platform_api.oauth_shapes import IdOnly as IdOnly
from broker.platform_api.oauth_shapes import OAuthClient as OAuthClient
from broker.platform_api.oauth_shapes import OAuthClientRef as OAuthClientRef
from broker.platform_api.oauth_shapes import OAuthToken as OAuthToken
from broker.platform_api.oauth_shapes import Session as Session
from broker.platform_api.operating_shapes import AccountLock as AccountLock
from broker.platform_api.operating_shapes import AuditEntry as AuditEntry
from broker.platform_api.operating_shapes import AuditVerification as AuditVerification
from broker.platform_api.operating_shapes import Drift as Drift
from broker.platform_api.operating_shapes import DriftMoney as DriftMoney
from broker.platform_api.operating_shapes import DriftReport as DriftReport
from broker.platform_api.operating_shapes import Orphan as Orphan
from broker.platform_api.operating_shapes import PendingOperation as PendingOperation
from broker.platform_api.operating_shapes import ProviderHealth as ProviderHealth
from broker.platform_api.operating_shapes import ReconciledService as ReconciledService
from broker.platform_api.operating_shapes import ReconcileRun as ReconcileRun
from broker.platform_api.operating_shapes import TestClock as TestClock
from broker.platform_api.payment_shapes import Payment as Payment
from broker.platform_api.payment_shapes import PaymentMethod as PaymentMethod
from broker.platform_api.payment_shapes import PaymentSetup as PaymentSetup
from broker.platform_api.payment_shapes import Refund as Refund
from broker.platform_api.payment_shapes import Verification as Verification
from broker.platform_api.payout_shapes import PartnerAccrual as PartnerAccrual
from broker.platform_api.payout_shapes import PartnerBalance as PartnerBalance
from broker.platform_api.payout_shapes import PartnerStatement as PartnerStatement
from broker.platform_api.payout_shapes import Payout as Payout
from broker.platform_api.payout_shapes import PayoutRun as PayoutRun
from broker.platform_api.payout_shapes import ShareAgreement as ShareAgreement
from broker.platform_api.rotation_shapes import Credential as Credential
from broker.platform_api.rotation_shapes import Credentials as Credentials
from broker.platform_api.rotation_shapes import DatabaseCredential as DatabaseCredential
from broker.platform_api.rotation_shapes import DatabaseFact as DatabaseFact
from broker.platform_api.rotation_shapes import DatabaseInfo as DatabaseInfo
from broker.platform_api.rotation_shapes import DatabaseLogin as DatabaseLogin
from broker.platform_api.rotation_shapes import DatabaseWait as DatabaseWait
from broker.platform_api.rotation_shapes import RedisInfo as RedisInfo
from broker.platform_api.rotation_shapes import Rotation as Rotation
from broker.platform_api.rotation_shapes import RotationApp as RotationApp
from broker.platform_api.rotation_shapes import StartedRotation as StartedRotation
from broker.platform_api.sso_shapes import DashboardLink as DashboardLink
from broker.platform_api.sso_shapes import SignOnForm as SignOnForm
from broker.platform_api.team_shapes import Team as Team
from broker.platform_api.team_shapes import TeamCollaborator as TeamCollaborator
from broker.platform_api.team_shapes import TeamFeature as TeamFeature
from broker.platform_api.team_shapes import TeamInvitation as TeamInvitation
from broker.platform_api.team_shapes import TeamMember as TeamMember
from broker.platform_api.team_shapes import TeamMemberUser as TeamMemberUser
from broker.platform_api.team_shapes import TeamPermission as TeamPermission
from broker.platform_api.term_shapes import AddonTerms as AddonTerms
from broker.platform_api.term_shapes import AddonTransfer as AddonTransfer
from broker.platform_api.term_shapes import AppTransfer as AppTransfer
from broker.platform_api.term_shapes import OfferedPlan as OfferedPlan
from broker.platform_api.term_shapes import Payer as Payer
from broker.platform_api.term_shapes import ScheduledPlanChange as ScheduledPlanChange
from broker.platform_api.term_shapes import TagSet as TagSet
from broker.platform_api.term_shapes import Trial as Trial
from broker.platform_api.work_shapes import AskedRequest as AskedRequest
from broker.platform_api.work_shapes import OperationRef as OperationRef
from broker.platform_api.work_shapes import Replayed as Replayed
from broker.platform_api.work_shapes import ServiceDelivery as ServiceDelivery
from broker.platform_api.work_shapes import ServiceOperation as ServiceOperation


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
    scheduled_suspension_time: str | None
    scheduled_deletion_time: str | None
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
    """An API token's record. `last_used_at`, to some minutes, is outside the public schema."""

    id: str
    description: str
    scope: list[str]
    access_token: Token
    refresh_token: Token | None
    client: OAuthClientRef | None
    grant: Ref | None
    session: IdOnly | None
    last_used_at: str | None
    user: AuthorizedUser
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


class MeterUsage(TypedDict):
    """What a meter shows for this month. `quantity` is for the eye, `exact` for computing; only it is in the public schema."""

    quantity: int | float
    exact: str
    meter: str
    unit: str
    kind: str


class AddonUsage(TypedDict):
    """What an add-on used this month, by the labels of its meters."""

    id: str
    name: str
    meters: dict[str, MeterUsage]


class Usage(TypedDict):
    """What the add-ons of an app metered."""

    addons: list[AddonUsage]


class TeamAppUsage(TypedDict):
    """What the metered add-ons of one app used this month. Own: `name`."""

    id: str
    name: str
    addons: list[AddonUsage]


class TeamUsage(TypedDict):
    """The same for the apps of a team. Own: `name`."""

    id: str
    name: str
    apps: list[TeamAppUsage]


ConfigVars = dict[str, str]
