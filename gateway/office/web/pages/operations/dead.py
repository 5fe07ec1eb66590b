"""The packets that the axis put aside, grouped by why: look into one, hand one or a whole group out again, drop one. Every
act says before what it does; closing the page changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from aiohttp import web

from gateway.errors import BadForm, TransportFailure
from gateway.office.web import files_out
from gateway.office.web.frame import OPERATES
from gateway.office.web.pages.operations.ground import KEY, PATH, page, reason
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit
from gateway.ports import DeadParcel

_LIST = f"{PATH}/goi-tin-loi"
_ONE = f"{_LIST}/{{id}}"
_SORTS = (
    ("signature", re.compile(r"signature|certificate|SIG-|CERT-", re.IGNORECASE)),
    ("form", re.compile(r"schema|xml|malformed|parts|ENV-", re.IGNORECASE)),
    ("code", re.compile(r"recipient|unroutable|no queue|agency code", re.IGNORECASE)),
    ("size", re.compile(r"too large|limit of|size", re.IGNORECASE)),
    ("repeat", re.compile(r"duplicate|repeat|already", re.IGNORECASE)),
    ("tries", re.compile(r"times|expired|delivered", re.IGNORECASE)),
)
# What an axis says, and the key of the same in the reader's language.
_REASONS = (
    ("tries", re.compile(r"(?:delivered|handed out) (?P<count>\d+) times and never settled")),
    ("label", re.compile(r"its label cannot be read")),
    ("refused", re.compile(r"this node could not take it")),
    ("nobody", re.compile(r"none of its codes is hosted here any more")),
)
# Beside the groups by reason: those that a person ticked.
_CHOSEN = "chon"
SORTS = (*(name for name, _ in _SORTS), "unknown")


def sort_of(parcel: DeadParcel) -> str:
    """The class of its reason; the axis says it in words of its own."""
    return next((name for name, words in _SORTS if words.search(parcel.reason)), "unknown")


def words(visit: Visit, parcel: DeadParcel) -> str:
    """Its reason for the reader; in the axis' own words where they are new to us."""
    for key, said in _REASONS:
        if found := said.search(parcel.reason):
            return visit.say(f"operating.dead.why.{key}", **found.groupdict())
    return parcel.reason


async def shown(visit: Visit) -> web.StreamResponse:
    wanted, fault = visit.ask("loai"), ""
    parcels: Sequence[DeadParcel] = ()
    try:
        parcels = await visit.deps.operations.dead.all()
    except TransportFailure as why:
        fault = str(why)
    groups = {name: [each for each in parcels if sort_of(each) == name] for name in SORTS}
    listed = groups.get(wanted, parcels)
    return await page(
        visit,
        "dead",
        "dead",
        groups={name: len(each) for name, each in groups.items() if each},
        parcels=[(each, sort_of(each), words(visit, each)) for each in listed],
        wanted=wanted,
        total=len(parcels),
        fault=fault,
    )


async def one(visit: Visit) -> web.StreamResponse:
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    claims = await visit.deps.operations.dead.claims(parcel.id, visit.lang)
    return await _of_one(visit, "parcel", parcel, claims=claims)


async def ask_retry(visit: Visit) -> web.StreamResponse:
    """What would now happen, without doing it."""
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    claims = await visit.deps.operations.dead.claims(parcel.id, visit.lang)
    return await _of_one(visit, "parcel_retry", parcel, claims=claims)


async def retry(visit: Visit) -> web.StreamResponse:
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    await visit.deps.operations.dead.retry(visit.person.person.id, [parcel.id])
    return visit.said(_LIST, "operating.retried")


async def ask_group(visit: Visit) -> web.StreamResponse:
    name = visit.path("sort")
    if name not in (*SORTS, _CHOSEN):
        raise BadForm("there is no such group")
    chosen = set(visit.request.query.getall("parcel", []))
    parcels = [
        each
        for each in await visit.deps.operations.dead.all()
        if (each.id in chosen if name == _CHOSEN else sort_of(each) == name)
    ]
    title = visit.say("operating.dead.retry" if name == _CHOSEN else "operating.dead.group")
    return await page(visit, "dead", "parcels_retry", title=title, parcels=parcels, sort=name)


async def retry_group(visit: Visit) -> web.StreamResponse:
    """Those that the page before named, and no other that came since."""
    done = await visit.deps.operations.dead.retry(visit.person.person.id, visit.form.all("parcel"))
    return visit.said(_LIST, "operating.retried" if done else "operating.retried.none")


async def ask_drop(visit: Visit) -> web.StreamResponse:
    return await _drop_page(visit, [])


async def drop(visit: Visit) -> web.StreamResponse:
    why, problems = reason(visit)
    if problems:
        return await _drop_page(visit, problems)
    await visit.deps.operations.dead.drop(visit.person.person.id, visit.path("id"), why)
    return visit.said(_LIST, "operating.dropped")


async def file(visit: Visit) -> web.StreamResponse:
    """What the axis knows of it. Its bytes hold a document, which an operator does not read."""
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    told = {
        "id": parcel.id,
        "packet": parcel.packet_id,
        "kind": parcel.kind,
        "sender": parcel.sender,
        "recipient": parcel.recipient,
        "lane": str(parcel.lane),
        "size": parcel.size,
        "sha256": str(parcel.digest),
        "deliveries": parcel.deliveries,
        "dead_at": parcel.dead_at.isoformat() if parcel.dead_at else None,
        "reason": parcel.reason,
    }
    return files_out.whole(f"goi-tin-loi-{parcel.id}.json", "json", json.dumps(told).encode())


async def _drop_page(visit: Visit, problems: list[tuple[str, str]]) -> web.Response:
    parcel = await visit.deps.operations.dead.get(visit.path("id"))
    return await _of_one(
        visit, "parcel_drop", parcel, 422 if problems else 200, problems=problems, given=visit.form.flat()
    )


async def _of_one(
    visit: Visit, name: str, parcel: DeadParcel, status: int = 200, /, **values: object
) -> web.Response:
    title = visit.say(f"operating.{name}.title", id=parcel.packet_id)
    told = {"title": title, "parcel": parcel, "sort": sort_of(parcel), "why": words(visit, parcel)}
    return await page(visit, "dead", name, status, **told, **values)


ROUTES = (
    get(_LIST, "dead_letters", shown, who=Who.READY, needs=OPERATES, key=KEY),
    get(
        f"{_LIST}/nhom/{{sort}}/gui-lai",
        "dead_letters_ask",
        ask_group,
        who=Who.READY,
        needs=OPERATES,
        key=KEY,
    ),
    post(
        f"{_LIST}/nhom/{{sort}}/gui-lai",
        "dead_letters_retried",
        retry_group,
        who=Who.READY,
        needs=OPERATES,
        key=KEY,
    ),
    get(_ONE, "dead_letter", one, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{_ONE}/tai", "dead_letter_file", file, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{_ONE}/gui-lai", "dead_letter_retry", ask_retry, who=Who.READY, needs=OPERATES, key=KEY),
    post(f"{_ONE}/gui-lai", "dead_letter_retried", retry, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{_ONE}/bo", "dead_letter_drop", ask_drop, who=Who.READY, needs=OPERATES, key=KEY),
    post(f"{_ONE}/bo", "dead_letter_dropped", drop, who=Who.READY, needs=OPERATES, key=KEY),
)
