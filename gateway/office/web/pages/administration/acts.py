"""What an administrator does to accounts. To one: lock, suspend, withdraw, open; a new one-time link; posts given and
taken; tries forgiven, sessions ended, a new password asked for; each act says first what will happen, and to whom.
To all of an agency, or of the node: the review (T22, T23), the list that an administrator looks through each
December, as a page and as a workbook, with posts and last use; that it was looked through is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import IO

from aiohttp import web

from gateway.domain.person import AccountStanding
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.office.accounts import admin, posts
from gateway.office.accounts.acting import refused
from gateway.office.accounts.admin import AccountLine, AccountSeen
from gateway.office.accounts.posts import WantedPost
from gateway.office.book.table_files import XlsxColumn, XlsxWriter
from gateway.office.domain.roles import NODE, PostRole, Right
from gateway.office.web import answers, dates
from gateway.office.web.forms import Problems
from gateway.office.web.pages.administration import accounts
from gateway.office.web.pages.administration.accounts import HOME, Place
from gateway.office.web.routes import Who, both, get, post
from gateway.office.web.visits import ADMINISTERS, Visit, where

_ONE = f"{HOME}/tai-khoan/{{id}}"
# T17: so many days after the decision the withdrawal is asked for at the latest.
_LEAVER_DAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAct:
    """One thing that can be done with an account as a whole. `standing` needs a reason."""

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


async def act_done(visit: Visit) -> web.StreamResponse:
    act, by, desk = ACTS[visit.path("act")], accounts.administrator(visit), visit.deps.accounts
    seen = await admin.look_at(desk, by, visit.path("id"))
    name, back = accounts.name_of(seen.person), accounts.path_of(seen.person)
    reason, problems = _reason_of_standing(visit) if act.standing is not None else ("", [])
    if problems or not visit.is_act:
        return await _act_page(visit, act, seen, problems)
    if act.standing is not None:
        try:
            await admin.stand(desk, by, name, act.standing, reason)
        except Clash as why:
            return await _act_page(visit, act, seen, [("reason", visit.why(why))])
        return visit.said(back, f"admin.stands.{act.standing}")
    match act.key:
        case "link":
            return await accounts.link_page(visit, *await admin.link(desk, by, name))
        case "unlock":
            await admin.unlock(desk, by, name)
        case "sign_out":
            await admin.sign_out(desk, by, name)
        case _:
            await admin.must_change(desk, by, name)
    return visit.said(back, f"admin.{act.key}")


async def _act_page(visit: Visit, act: AccountAct, seen: AccountSeen, problems: Problems) -> web.Response:
    person = seen.person
    if person.id == visit.person.person.id:
        raise Denied("nobody changes the own account in this way", code="GW-OWN-RIGHTS")
    if not seen.is_ours:
        raise refused(Right.ACCOUNTS)
    return await visit.question(
        problems,
        *(f"admin.{act.key}.{each}" for each in ("title", "means", "do")),
        back=accounts.path_of(person),
        name=person.name,
        login=person.login or person.name,
        part="admin/_questions.html",
        which="account",
        act=act,
        grave=act.grave,
    )


def _reason_of_standing(visit: Visit) -> tuple[str, Problems]:
    """What is kept, with the day of the decision and whether it was asked for in time."""
    reason, decided, problems = visit.form.text("reason"), visit.form.text("decided"), visit.short_reason()
    if decided:
        today = local(visit.person.at).date()
        day = dates.typed_day(decided, today)
        if day is None or day > today:
            problems.append(("decided", visit.say("admin.decided.wrong")))
        else:
            late = "admin.decided.late" if (today - day).days > _LEAVER_DAYS else "admin.decided.kept"
            reason = f"{reason} {visit.say(late, day=dates.day_text(day))}"
    return reason, problems


async def post_given(visit: Visit) -> web.StreamResponse:
    person, desk = await accounts.seen_person(visit), visit.deps.accounts
    wanted, problems = await accounts.post_of_form(visit)
    if wanted is not None and visit.is_act:
        try:
            await posts.give(desk, accounts.administrator(visit), accounts.name_of(person), wanted)
        except Clash as why:
            problems = [("role", visit.why(why))]
        else:
            return visit.said(accounts.path_of(person), "admin.post_given")
    return await visit.question(
        problems,
        "admin.post.give",
        "admin.post.means",
        "admin.post.give",
        back=accounts.path_of(person),
        name=person.name,
        part="admin/_questions.html",
        which="post",
        values=visit.form.flat(),
        **await accounts.post_choice(visit),
    )


async def post_taken(visit: Visit) -> web.StreamResponse:
    person, asked = await accounts.seen_person(visit), visit.form.text if visit.is_act else visit.ask
    role, place = ("role", "place") if visit.is_act else ("vai-tro", "co-quan")
    wanted, back = await _named_post(visit, asked(role), asked(place)), accounts.path_of(person)
    if not visit.is_act:
        return await visit.question(
            None,
            "admin.post.take",
            "admin.post.take.means",
            "admin.post.take",
            back=back,
            hidden={"role": wanted.role, "place": asked(place)},
            grave=True,
            name=person.name,
            role=visit.say(f"post.{wanted.role}"),
            place=(await accounts.agency_names(visit))[wanted.agency_id],
        )
    by, name = accounts.administrator(visit), accounts.name_of(person)
    await posts.take(visit.deps.accounts, by, name, wanted.role, wanted.agency_id)
    # Whoever had the last post here is not seen from here any more.
    try:
        await accounts.seen_person(visit)
    except NotFound:
        return visit.said(HOME, "admin.post_taken")
    return visit.said(back, "admin.post_taken")


async def _named_post(visit: Visit, role: str, key: str) -> WantedPost:
    found = next((each for each in PostRole if each == role), None)
    if found is None:
        raise NotFound("there is no such post")
    if found.is_of_node:
        return WantedPost(role=found)
    chosen = accounts.chosen_place(visit, await accounts.places_open(visit, together=False), key)
    return WantedPost(role=found, agency_id=chosen.agency_id or NODE)


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}


_REVIEW = f"{HOME}/ra-soat"
_REVIEW_COLUMNS = (
    *(("login", 22), ("name", 28), ("account_title", 20), ("agency", 34), ("roles", 30), ("factor", 20)),
    *(("last_login", 16), ("state", 18), ("until", 14), ("remark", 30)),
)


async def review_listed(visit: Visit) -> web.StreamResponse:
    here = await _review_place(visit)
    found = await admin.review_lines(visit.deps.accounts, accounts.administrator(visit), here.id)
    last = await admin.last_review(visit.deps.accounts, here.id)
    today = local(visit.person.at).date()
    return await visit.page(
        "admin/review.html",
        title=visit.say("admin.review"),
        found=found,
        here=here,
        places=[(each.key, each.name) for each in await accounts.places_open(visit, together=False)],
        last=last,
        due=date(today.year, 12, 31),
        is_done=last is not None and last.data.get("year") == today.year,
        file=where(f"{_REVIEW}/danh-sach.xlsx", **{"co-quan": here.key}),
    )


async def review_confirmed(visit: Visit) -> web.StreamResponse:
    here = await _review_place(visit)
    year = local(visit.person.at).year
    await admin.confirm_review(visit.deps.accounts, accounts.administrator(visit), here.id, year)
    return visit.said(_REVIEW, "admin.reviewed", **{"co-quan": here.key})


async def review_file(visit: Visit) -> web.StreamResponse:
    here = await _review_place(visit)
    found = await admin.review_lines(visit.deps.accounts, accounts.administrator(visit), here.id)
    rows = [_review_cells(visit, here, each) for each in found]
    with visit.deps.blobs.scratch() as scratch:
        await visit.deps.pool.run(partial(_write_review, visit, here, rows, scratch.file))
        body = await visit.deps.pool.run(scratch.file.read)
    name = f"ra-soat-tai-khoan-{here.key}-{local(visit.person.at).year}.xlsx"
    return answers.whole_file(name, "xlsx", body)


def _write_review(visit: Visit, here: Place, rows: list[list[str | date | None]], out: IO[bytes]) -> None:
    columns = [XlsxColumn(title=visit.say(f"admin.{each}"), width=width) for each, width in _REVIEW_COLUMNS]
    writer = XlsxWriter(out, visit.say("admin.review"), columns)
    for each in rows:
        writer.add(each)
    today = dates.day_text(local(visit.person.at))
    writer.close([visit.say("admin.review.below", name=here.name, count=len(rows), day=today)])
    out.seek(0)


def _review_cells(visit: Visit, here: Place, line: AccountLine) -> list[str | date | None]:
    person, ends = line.person, [each.until for each in line.posts if each.until is not None]
    return [
        person.login or "",
        person.name,
        person.title,
        here.name,
        ", ".join(visit.say(f"post.{each.role}") for each in line.posts),
        visit.say("factor.totp" if line.has_factor else "factor.none"),
        local(person.last_login_at).date() if person.last_login_at else None,
        visit.say(f"standing.{person.standing}"),
        local(min(ends)).date() if ends else None,
        "",
    ]


async def _review_place(visit: Visit) -> Place:
    return accounts.chosen_place(visit, await accounts.places_open(visit, together=False))


ROUTES = (
    *both(f"{_ONE}/vai-tro", "account_post", "account_post_given", post_given, **_AT),
    *both(f"{_ONE}/thoi-vai-tro", "account_post_take", "account_post_taken", post_taken, **_AT),
    *both(f"{_ONE}/{{act:{_PATTERN}}}", "account_act", "account_act_done", act_done, **_AT),
    get(_REVIEW, "review", review_listed, **_AT),
    post(_REVIEW, "review_done", review_confirmed, **_AT),
    get(f"{_REVIEW}/danh-sach.xlsx", "review_file", review_file, **_AT),
)
