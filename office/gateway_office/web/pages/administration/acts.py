"""Acts of an administrator on one account: lock, suspend, withdraw, open; a new one-time link; give and take posts; clear
failed tries, end sessions, demand a new password. In: the account and the act. Out: a page that describes the effect,
then the act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.person import AccountStanding
from gateway.domain.timer_table import TIMERS, Timer
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway_office.accounts import admin, posts
from gateway_office.accounts.acting import refused
from gateway_office.accounts.admin import AccountDetail
from gateway_office.accounts.posts import WantedPost
from gateway_office.domain.roles import NODE, PostRole, Right
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, both

_ACCOUNT_PATH = f"{HOME}/tai-khoan/{{id}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAct:
    """Act on an account as a whole. `standing` needs a reason."""

    key: str
    standing: AccountStanding | None = None
    grave: bool = False


ACTS: Mapping[str, AccountAct] = {
    "khoa": AccountAct(key="lock", standing=AccountStanding.LOCKED, grave=True),
    "tam-dung": AccountAct(key="suspend", standing=AccountStanding.SUSPENDED, grave=True),
    "thu-hoi": AccountAct(key="withdraw", standing=AccountStanding.WITHDRAWN, grave=True),
    "mo-lai": AccountAct(key="open", standing=AccountStanding.ACTIVE),
    "duong-dan": AccountAct(key="link"),
    "thu-lai": AccountAct(key="unlock"),
    "dang-xuat": AccountAct(key="sign_out"),
    "doi-mat-khau": AccountAct(key="must_change"),
}
_PATTERN = "|".join(ACTS)


async def do_act(request: PageRequest) -> web.StreamResponse:
    act, by, services = ACTS[request.path("act")], accounts.administrator(request), request.deps.accounts
    account = await admin.look_at(services, by, request.path("id"))
    name, back = accounts.name_of(account.person), accounts.path_of(account.person)
    reason, problems = _reason_of_standing(request) if act.standing is not None else ("", [])
    if problems or not request.is_act:
        return await _act_page(request, act, account, problems)
    if act.standing is not None:
        try:
            await admin.stand(services, by, name, act.standing, reason)
        except Clash as error:
            return await _act_page(request, act, account, [("reason", request.why(error))])
        return request.confirm(back, f"admin.stands.{act.standing}")
    match act.key:
        case "link":
            return await accounts.link_page(request, *await admin.link(services, by, name))
        case "unlock":
            await admin.unlock(services, by, name)
        case "sign_out":
            await admin.sign_out(services, by, name)
        case _:
            await admin.must_change(services, by, name)
    return request.confirm(back, f"admin.{act.key}")


async def _act_page(
    request: PageRequest, act: AccountAct, account: AccountDetail, problems: Problems
) -> web.Response:
    person = account.person
    if person.id == request.person.person.id:
        raise Denied("nobody changes the own account in this way", code="GW-OWN-RIGHTS")
    if not account.is_ours:
        raise refused(Right.ACCOUNTS)
    return await request.question(
        problems,
        f"admin.{act.key}",
        back=accounts.path_of(person),
        name=person.name,
        login=person.login or person.name,
        part="admin/_questions.html",
        which="account",
        act=act,
        grave=act.grave,
    )


def _reason_of_standing(request: PageRequest) -> tuple[str, Problems]:
    """Return the reason to keep, with the day of the decision and whether the act was in time."""
    reason, decided, problems = (
        request.form.text("reason"),
        request.form.text("decided"),
        request.short_reason(),
    )
    if decided:
        today = local(request.person.at).date()
        day = dates.typed_day(decided, today)
        if day is None or day > today:
            problems.append(("decided", request.say("admin.decided.wrong")))
        else:
            key = (
                "admin.decided.late"
                if (today - day).days > TIMERS[Timer.LEAVERS_ACCOUNT].amount
                else "admin.decided.kept"
            )
            reason = f"{reason} {request.say(key, day=dates.day_text(day))}"
    return reason, problems


async def give_post(request: PageRequest) -> web.StreamResponse:
    person, services = await accounts.seen_person(request), request.deps.accounts
    post, problems = await accounts.post_of_form(request)
    if post is not None and request.is_act:
        try:
            by = accounts.administrator(request)
            waiting = await posts.give(services, by, accounts.name_of(person), post)
        except Clash as error:
            problems = [("role", request.why(error))]
        else:
            outcome = "admin.rights_asked" if waiting is not None else "admin.post_given"
            return request.confirm(accounts.path_of(person), outcome)
    return await request.question(
        problems,
        "admin.post.give",
        "admin.post.means",
        "admin.post.give",
        back=accounts.path_of(person),
        name=person.name,
        part="admin/_questions.html",
        which="post",
        values=request.form.flat(),
        **await accounts.post_choice(request),
    )


async def take_post(request: PageRequest) -> web.StreamResponse:
    person, value_of = (
        await accounts.seen_person(request),
        request.form.text if request.is_act else request.ask,
    )
    role, place = ("role", "place") if request.is_act else ("vai-tro", "co-quan")
    post, back = await _read_post(request, value_of(role), value_of(place)), accounts.path_of(person)
    if not request.is_act:
        return await request.question(
            None,
            "admin.post.take",
            back=back,
            hidden={"role": post.role, "place": value_of(place)},
            grave=True,
            name=person.name,
            role=request.say(f"post.{post.role}"),
            place=(await accounts.agency_names(request))[post.agency_id],
        )
    by, name = accounts.administrator(request), accounts.name_of(person)
    if await posts.take(request.deps.accounts, by, name, post.role, post.agency_id) is not None:
        return request.confirm(back, "admin.rights_asked")
    # A person without a post here is not seen from here any more.
    try:
        await accounts.seen_person(request)
    except NotFound:
        return request.confirm(HOME, "admin.post_taken")
    return request.confirm(back, "admin.post_taken")


async def _read_post(request: PageRequest, role: str, key: str) -> WantedPost:
    post_role = next((r for r in PostRole if r == role), None)
    if post_role is None:
        raise NotFound("there is no such post")
    if post_role.is_of_node:
        return WantedPost(role=post_role)
    place = accounts.chosen_place(request, await accounts.list_places(request, together=False), key)
    return WantedPost(role=post_role, agency_id=place.agency_id or NODE)


ROUTES = (
    *both(f"{_ACCOUNT_PATH}/vai-tro", "account_post", "account_post_given", give_post),
    *both(f"{_ACCOUNT_PATH}/thoi-vai-tro", "account_post_take", "account_post_taken", take_post),
    *both(f"{_ACCOUNT_PATH}/{{act:{_PATTERN}}}", "account_act", "account_act_done", do_act),
)
