"""Providers that are wrong in one place each, with the sentences of the kit that must say so, and no others."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from starlette.responses import JSONResponse, PlainTextResponse, Response

from broker.testkit.probe import Limits
from tests.testkit.shelf import PASSWORD, PLANS, SALT, Item, Refusal, Shelf
from tests.testkit.trying import LIMITS


class Broken(Exception):
    """Any error of a program, which its framework answers with 500."""


@dataclass(frozen=True)
class Mutant:
    """How to make the provider, what it offers, what must come of it."""

    make: Callable[[], Shelf]
    breaks: dict[str, str]
    api: dict[str, Any] = field(default_factory=dict)
    limits: Limits = LIMITS


MUTANTS: dict[str, Mutant] = {}


def breaks(
    *failing: str, warning: tuple[str, ...] = (), limits: Limits = LIMITS, later: bool = False, **api: Any
) -> Callable[[type[Shelf]], type[Shelf]]:
    """Register a mutant with the sentences that must fail, or warn."""

    def register(kind: type[Shelf]) -> type[Shelf]:
        expected = dict.fromkeys(failing, "fail") | dict.fromkeys(warning, "warn")
        MUTANTS[kind.__name__] = Mutant(lambda: kind(later=later), expected, api, limits)
        return kind

    return register


# -- manifest -----------------------------------------------------------------------------------------------------------


@breaks("The manifest is one that the broker takes.", config_vars=["OTHER_URL"])
class DeclaresAForeignName(Shelf):
    pass


@breaks(warning=("The password and the SSO salt of the manifest cannot be guessed.",), sso_salt=PASSWORD)
class OneSecretForTwo(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        text = f"{form['resource_id']}:{PASSWORD}:{form['timestamp']}"
        text = f"{text}:{form.get('user_id')}:{form.get('email')}"
        self.compare(form, "user_scoped_resource_token", hashlib.sha256(text.encode()).hexdigest())


@breaks("A dashboard is declared whole: sso_url and sso_salt.", sso_salt=None)
class HasNoSalt(Shelf):
    pass


# -- auth ---------------------------------------------------------------------------------------------------------------


@breaks("A provision without credentials is refused with 401.")
class LetsInWhoSaysNothing(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if user or password:
            super().authenticate(user, password)


@breaks(
    "A provision with a wrong password is refused with 401.",
    "A plan change with a wrong password is refused with 401.",
    "A delete with a wrong password is refused with 401.",
)
class ReadsNoPassword(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if user != "shelf":
            raise Refusal(401, "Wrong credentials.")


@breaks("A provision with the id of another service is refused with 401.")
class ReadsNoUser(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        super().authenticate("shelf", password)


@breaks("A provision with a wrong password is refused with 401.")
class ChecksTheRestOnly(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "POST" or user != "shelf":
            super().authenticate(user, password)


@breaks("A plan change with a wrong password is refused with 401.")
class ChangesPlansForEverybody(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "PUT":
            super().authenticate(user, password)


@breaks("A delete with a wrong password is refused with 401.")
class DeletesForEverybody(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        if self.method != "DELETE":
            super().authenticate(user, password)


@breaks(
    warning=(
        "A provision without credentials is refused with 401.",
        "A provision with a wrong password is refused with 401.",
        "A provision with the id of another service is refused with 401.",
        "A plan change with a wrong password is refused with 401.",
        "A delete with a wrong password is refused with 401.",
    )
)
class RefusesWith403(Shelf):
    def authenticate(self, user: str, password: str) -> None:
        try:
            super().authenticate(user, password)
        except Refusal:
            raise Refusal(403, "No.") from None


# -- provision ----------------------------------------------------------------------------------------------------------


@breaks("A provision with the right credentials succeeds with 201, 200 or 202.")
class RefusesEverything(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        raise Refusal(422, "Sold out.")


@breaks("The answer to a provision is a JSON object with an id.")
class GivesNoId(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"config": self.config(uuid)}, 201)


@breaks("The answer to a provision is a JSON object with an id.", config_vars=[])
class AnswersText(Shelf):
    def config(self, uuid: str) -> Any:
        return {}

    def provisioned(self, uuid: str) -> Response:
        return Response("ok", 201, media_type="application/json")


@breaks(warning=("The id in the answer is a string.",))
class CountsItsResources(Shelf):
    def provisioned(self, uuid: str) -> Response:
        number = list(self.items).index(uuid) + 1
        return JSONResponse({"id": number, "config": self.config(uuid)}, 201)


@breaks(warning=("The answer says that it is JSON.",))
class SaysThatItIsHtml(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return Response(super().provisioned(uuid).body, 201, media_type="text/html")


@breaks("The message in the answer, if there is one, is a text.")
class HasStructuredMessages(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": uuid, "config": self.config(uuid), "message": {"en": "Enjoy."}}, 201)


@breaks("Fields that the provider does not know are ignored.")
class WantsKnownFieldsOnly(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        known = {"uuid", "name", "plan", "region", "options", "callback_url", "oauth_grant"}
        if not set(body) <= known:
            raise Refusal(422, "There is a field too many.")
        return await super().provision(body)


@breaks("The list of resources holds the new one.")
class ListsNothing(Shelf):
    async def list_resources(self) -> Response:
        return JSONResponse([])


# -- idempotency --------------------------------------------------------------------------------------------------------


@breaks(
    "The same provision again is answered like the first, with the same id.",
    "The same uuid with another plan makes no second resource.",
    "The same provision several times at once makes one resource.",
)
class MakesOneForEachCall(Shelf):
    """Under an id of its own, so that the repeated ones are never deleted."""

    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": str(uuid4()), "config": self.config(uuid)}, 201)


@breaks("The same provision again is answered like the first, with the same id.")
class TakesARepetitionForAnError(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        item = self.items.get(self.uuid_of(body))
        if item and not item.gone and item.plan == body["plan"]:
            raise Refusal(422, "There is one already.")
        return await super().provision(body)


@breaks("The same provision again gives the same config.", "The same uuid with another plan makes no second resource.",
        "The same provision several times at once makes one resource.")  # fmt: skip
class GivesANewLoginEachTime(Shelf):
    def provisioned(self, uuid: str) -> Response:
        fresh = uuid4().hex
        self.admitted.add(fresh)
        self.more.setdefault(uuid, set()).add(fresh)
        return JSONResponse({"id": uuid, "config": {"SHELF_URL": self.address(fresh)}}, 201)

    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.admitted -= self.more[uuid]
        return await super().revoke(uuid, rotation)

    async def deprovision(self, uuid: str) -> Response:
        self.admitted -= self.more.get(uuid, set())
        return await super().deprovision(uuid)


@breaks("The same uuid with another plan makes no second resource.")
class StumblesOverAnotherPlan(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        item = self.items.get(self.uuid_of(body))
        if item and not item.gone and item.plan != body["plan"] and body["plan"] in PLANS:
            raise Broken
        return await super().provision(body)


# -- config -------------------------------------------------------------------------------------------------------------


@breaks("The config in the answer is a map of names to strings.", config_vars=["SHELF_URL", "SHELF_PORT"])
class GivesNumbers(Shelf):
    def config(self, uuid: str) -> Any:
        return {**super().config(uuid), "SHELF_PORT": 4711}


@breaks(
    "Every config var that is given is declared in the manifest.",
    "Config in the answer to a plan change is declared in the manifest.",
)
class GivesWhatItDidNotDeclare(Shelf):
    def config(self, uuid: str) -> Any:
        return {**super().config(uuid), "SHELF_TOKEN": self.secret(uuid)}


@breaks("Config in the answer to a plan change is declared in the manifest.")
class GivesMoreWithAPlan(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        await super().change_plan(uuid, body)
        return JSONResponse({"config": {"SHELF_SIZE": "large"}})


@breaks(warning=("Every config var of the manifest is given.",), config_vars=["SHELF_URL", "SHELF_TOKEN"])
class ForgetsAName(Shelf):
    pass


@breaks("The addresses in config work: a connection can be made to each.", "The config works after a plan change.")
class GivesAWrongPassword(Shelf):
    def config(self, uuid: str) -> Any:
        return {"SHELF_URL": self.address(self.secret(uuid)[::-1])}


@breaks("The config works after a plan change.")
class LocksOutAfterAPlanChange(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        answer = await super().change_plan(uuid, body)
        self.admitted.discard(self.secret(uuid))
        return answer


@breaks("A rotation gives new credentials, and the old ones go on working.")
class CutsOffByRotating(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        answer = await super().rotate(uuid, rotation)
        await super().revoke(uuid, rotation)
        return answer


@breaks("A rotation gives new credentials, and the old ones go on working.")
class RotatesNothing(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        return JSONResponse({"config": self.config(uuid)})


@breaks("The same rotation again gives the same credentials.")
class RotatesWheneverItIsAsked(Shelf):
    async def rotate(self, uuid: str, rotation: str) -> Response:
        self.known(uuid).rotations.pop(rotation, None)
        return await super().rotate(uuid, rotation)

    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.items[uuid].rotations[rotation] = 1
        return await super().revoke(uuid, rotation)


@breaks("After a revocation the new credentials work, and the old ones do not.")
class WithdrawsNothing(Shelf):
    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.known(uuid)
        return Response(status_code=204)


@breaks("The provider tells which config holds now.")
class TellsWhatHeldBefore(Shelf):
    async def ask(self, uuid: str) -> Response:
        return JSONResponse({"config": {"SHELF_URL": self.address(self.password(uuid, 0))}})


@breaks("A login of its own is made, and works.")
class MakesLoginsThatDoNotWork(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        answer = await super().make_login(uuid, login)
        self.admitted.discard(self.login_password(uuid, login))
        return answer


@breaks("A login of its own is made, and works.")
class GivesTheDefaultForALogin(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        return JSONResponse({"config": self.config(uuid)})


@breaks("The same login again is answered like the first time.")
class MakesANewPasswordEachTime(Shelf):
    async def make_login(self, uuid: str, login: str) -> Response:
        return await super().make_login(uuid, login if login not in self.known(uuid).logins else f"{login} again")


@breaks("A login that was removed does not work any more, and the others do.")
class KeepsLogins(Shelf):
    async def remove_login(self, uuid: str, login: str) -> Response:
        return Response(status_code=204)


@breaks(
    "A login that was removed does not work any more, and the others do.",
    "The config works after a plan change.",
)
class RemovesAllLogins(Shelf):
    async def remove_login(self, uuid: str, login: str) -> Response:
        self.admitted.discard(self.secret(uuid))
        return await super().remove_login(uuid, login)


# -- plan change --------------------------------------------------------------------------------------------------------


@breaks("A change to another plan succeeds with 200, 202 or 204.")
class ChangesNoPlans(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if self.known(uuid).plan != body["plan"] and body["plan"] in PLANS:
            raise Refusal(422, "No changes, please.")
        return await super().change_plan(uuid, body)


@breaks("The new plan is kept: the list of resources shows it.")
class LosesAPlanChange(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        before = self.known(uuid).plan
        answer = await super().change_plan(uuid, body)
        self.items[uuid].plan = before
        return answer


@breaks("The same plan again changes nothing and succeeds.")
class RefusesThePlanItHas(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if self.known(uuid).plan == body["plan"]:
            raise Refusal(422, "It has that plan.")
        return await super().change_plan(uuid, body)


@breaks("A change back succeeds, or is refused with a sentence for the user.")
class RefusesSmallerPlansInSilence(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if (self.known(uuid).plan, body["plan"]) == ("maxi", "mini"):
            raise Refusal(422, None)
        return await super().change_plan(uuid, body)


@breaks("A change to a plan that does not exist is refused with 422 and a sentence.")
class ChangesToAnything(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if body["plan"] not in PLANS:
            self.known(uuid)
            return JSONResponse({})
        return await super().change_plan(uuid, body)


@breaks("A plan change of an unknown resource is refused with 404.")
class ChangesPlansOfNothing(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        return await super().change_plan(uuid, body) if uuid in self.items else JSONResponse({})


# -- async --------------------------------------------------------------------------------------------------------------


@breaks(
    "A provision that is accepted with 202 is finished by a call to actions/provision.",
    later=True,
    limits=Limits(timeout_s=1.5, pause_s=0.01),
)
class NeverFinishes(Shelf):
    async def finish(self, uuid: str, body: dict[str, Any]) -> None:
        pass

    async def deprovision(self, uuid: str) -> Response:
        self.tokens.clear()
        return await super().deprovision(uuid)


@breaks(warning=("An answer of 202 holds no config, which would be lost.",), later=True)
class GivesConfigTooEarly(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        answer = await super().provision(body)
        uuid = self.uuid_of(body)
        return JSONResponse({"id": uuid, "config": self.config(uuid)}, 202) if answer.status_code == 202 else answer


@breaks("The grant is exchanged as the contract says: grant_type, code and client_secret.", later=True)
class ExchangesTwice(Shelf):
    async def finish(self, uuid: str, body: dict[str, Any]) -> None:
        await super().finish(uuid, body)
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            url = httpx.URL(body["callback_url"]).copy_with(path="/oauth/token")
            await client.post(url, data=self.grant(body))


@breaks("Every other call of the provider to the broker is one that the broker takes.", later=True)
class SetsWhatItDidNotDeclare(Shelf):
    def late_configs(self, uuid: str) -> list[dict[str, str]]:
        return [{"SHELF_TOKEN": self.secret(uuid)}, *super().late_configs(uuid)]


# -- single sign-on -----------------------------------------------------------------------------------------------------


@breaks("A signed form signs the user in.")
class HasAnotherSalt(Shelf):
    def compare(self, form: dict[str, str], name: str, right: str) -> None:
        super().compare(form, name, hashlib.sha256(right.encode()).hexdigest())


@breaks("The page to which a sign-on leads opens.")
class ForgetsTheSession(Shelf):
    def dashboard(self, uuid: str, session: str) -> Response:
        return super().dashboard(uuid, "")


@breaks("A form that is six minutes old is refused with 403.")
class TakesStaleForms(Shelf):
    def check_age(self, timestamp: int) -> None:
        pass


_FORGED = "A form with forged tokens is refused with 403."
_OF_ANOTHER = "A form whose tokens are for another resource is refused with 403."
_OTHER_USER = "A form of one user does not let in another."


@breaks(_FORGED, _OF_ANOTHER, "A form without any token is refused with 403.", warning=(_OTHER_USER,))
class ReadsNoTokens(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        pass


@breaks(_FORGED, _OF_ANOTHER, warning=(_OTHER_USER,))
class ComparesTheLengthOfTokens(Shelf):
    def compare(self, form: dict[str, str], name: str, right: str) -> None:
        if len(form.get(name, "")) != len(right):
            raise Refusal(403, "The link is not valid.")


@breaks(_OF_ANOTHER)
class TakesATokenOfAnyResource(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        for uuid in self.items:
            with contextlib.suppress(Refusal):
                super().check_token({**form, "resource_id": uuid})
                return
        raise Refusal(403, "The link is not valid.")


@breaks("A form without any token is refused with 403.")
class ChecksTokensIfThereAreAny(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        if "user_scoped_resource_token" in form:
            super().check_token(form)


@breaks(warning=("A form is good for one sign-on.",))
class TakesFormsTwice(Shelf):
    def check_first_use(self, uuid: str, timestamp: str) -> None:
        pass


@breaks(warning=("A form of one user does not let in another.",))
class ReadsThePlainTokenOnly(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        text = f"{form['resource_id']}:{SALT}:{form['timestamp']}"
        self.compare(form, "resource_token", hashlib.sha1(text.encode()).hexdigest())


@breaks("A sign-on to a resource that does not exist is refused.")
class SignsOnToNothing(Shelf):
    def known_to_browser(self, uuid: str) -> None:
        if uuid in self.items:
            super().known_to_browser(uuid)


# -- deprovision --------------------------------------------------------------------------------------------------------


@breaks("A delete succeeds with 204 or 200.", "Everything that the kit made is removed again.")
class DeletesNothing(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        self.known(uuid)
        raise Refusal(503, "Not today.")


@breaks(
    "A delete that is accepted with 202 is finished by a call to actions/deprovision.",
    "Everything that the kit made is removed again.",
    later=True,
    limits=Limits(timeout_s=1.5, pause_s=0.01),
)
class NeverEndsARemoval(Shelf):
    async def end(self, uuid: str) -> None:
        pass

    async def deprovision(self, uuid: str) -> Response:
        if uuid in self.items and self.items[uuid].gone:
            return Response(status_code=202)
        return await super().deprovision(uuid)


@breaks("A second delete is answered with 410, 404 or success.")
class FailsAtTheSecondDelete(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        if uuid in self.items and self.items[uuid].gone:
            raise Broken
        return await super().deprovision(uuid)


@breaks("A delete of an unknown resource is answered with 404, 410 or success.")
class FailsAtTheUnknown(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        if uuid not in self.items:
            raise Broken
        return await super().deprovision(uuid)


@breaks("The list of resources does not hold what is gone.")
class ListsWhatIsGone(Shelf):
    async def list_resources(self) -> Response:
        return JSONResponse([{"uuid": uuid, "plan": item.plan} for uuid, item in self.items.items()])


@breaks("Nobody is signed in to what is gone.")
class SignsOnToWhatIsGone(Shelf):
    def known_to_browser(self, uuid: str) -> None:
        if uuid not in self.items:
            raise Refusal(404, "There is no such resource.")


@breaks(warning=("The credentials of what is gone do not work any more.",))
class RevokesNothing(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        answer = await super().deprovision(uuid)
        self.admitted.add(self.secret(uuid))
        return answer


@breaks(warning=("A late provision of what is gone makes nothing anew.",))
class BringsBackWhatIsGone(Shelf):
    def return_of(self, uuid: str, body: dict[str, Any]) -> Response:
        self.items[uuid] = Item(body["plan"])
        return self.provisioned(uuid)


@breaks("Everything that the kit made is removed again.")
class KeepsEverySecond(Shelf):
    """The removals of what was made besides the main resource fail for good."""

    async def deprovision(self, uuid: str) -> Response:
        main = next(iter(self.items), None)
        if uuid in self.items and uuid != main:
            raise Refusal(503, "Not today.")
        return await super().deprovision(uuid)


# -- errors -------------------------------------------------------------------------------------------------------------


@breaks("A provision on a plan that does not exist is refused with 422.")
class ProvisionsAnyPlan(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        return await super().provision({**body, "plan": body.get("plan") if body.get("plan") in PLANS else "mini"})


@breaks("A refusal has a sentence for the user.")
class RefusesInSilence(Shelf):
    def refusal(self, status: int, message: str | None) -> Response:
        is_of_a_plan = self.method == "POST" and (message or "").startswith("There is no plan")
        return super().refusal(status, None if is_of_a_plan else message)


@breaks("A body that makes no sense is refused with 400 or 422, and is no error of the program.")
class BreaksOnNonsense(Shelf):
    def parse(self, body: bytes) -> dict[str, Any]:
        if not body.startswith(b"{"):
            raise Broken
        return super().parse(body)


@breaks("No answer gives away the inside of the program.")
class ShowsItsTracebacks(Shelf):
    def refusal(self, status: int, message: str | None) -> Response:
        if status != 404:
            return super().refusal(status, message)
        return PlainTextResponse('Traceback (most recent call last):\n  File "shelf.py", line 1', 404)


# -- latency ------------------------------------------------------------------------------------------------------------


class _Slow(Shelf):
    async def list_resources(self) -> Response:
        await asyncio.sleep(0.3)
        return await super().list_resources()


@breaks("Every answer comes within 25 seconds.", limits=Limits(timeout_s=30, good_s=0.1, most_s=0.2))
class IsMuchTooSlow(_Slow):
    pass


@breaks(warning=("Every answer comes within 3 seconds.",), limits=Limits(timeout_s=30, good_s=0.2, most_s=20))
class IsSlow(_Slow):
    pass


# -- concurrency --------------------------------------------------------------------------------------------------------


class _Counting(Shelf):
    at_once = 0

    async def provision(self, body: dict[str, Any]) -> Response:
        self.at_once += 1
        await asyncio.sleep(0.02)  # as long as building takes, so that calls meet
        try:
            return await self.counted(body, self.at_once)
        finally:
            self.at_once -= 1

    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        return await super().provision(body)


@breaks("Several provisions at once all succeed.", "The same provision several times at once makes one resource.")
class DoesOneThingAtATime(_Counting):
    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        if at_once > 1:
            raise Broken
        return await super().counted(body, at_once)


@breaks("Several provisions at once make as many resources, each with its own config.")
class GivesEverybodyTheSameLogin(Shelf):
    def password(self, uuid: str, generation: int) -> str:
        return f"the-login-of-everybody-{generation}"


@breaks("The same provision several times at once makes one resource.")
class LooksAndThenMakes(_Counting):
    """Without a lock: each of several calls at once finds nothing, and makes one."""

    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        uuid = self.uuid_of(body)
        is_new = uuid not in self.items
        await asyncio.sleep(0.02)
        answer = await super().counted(body, at_once)
        if is_new and uuid in self.made:
            return JSONResponse({"id": str(uuid4()), "config": self.config(uuid)}, 201)
        self.made.add(uuid)
        return answer
