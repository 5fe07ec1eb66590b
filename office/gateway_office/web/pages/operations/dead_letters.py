"""Dead letters of the axis, grouped by reason. In: an id, or a group. Out: the list, one letter's tree and bytes, or the
act: retry one or a whole group, drop one. Every act describes its effect first; closing the page changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from gateway.errors import BadForm, TransportFailure
from gateway.ops.plain_data import plain_fields
from gateway.ports.axis import DeadCause, DeadParcel
from gateway_office.node import exchange
from gateway_office.web import answers
from gateway_office.web.display_names import agency_names
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.operations.findings import PATH
from gateway_office.web.pages.operations.state import both, get, tab_page, tab_question

_DEAD = f"{PATH}/goi-tin-loi"
_DEAD_ONE = f"{_DEAD}/{{id}}"
# A group beside those by reason: the parcels that a person ticked.
_TICKED_GROUP = "chon"


def reason_words(request: PageRequest, parcel: DeadParcel) -> str:
    """Write its cause for the reader; in the axis' own words where it is unknown."""
    if parcel.cause is DeadCause.UNKNOWN:
        return parcel.reason
    return request.say(f"operating.dead.why.{parcel.cause}", count=parcel.deliveries)


async def list_dead_letters(request: PageRequest) -> web.StreamResponse:
    group_name, fault = request.ask("loai"), ""
    parcels: Sequence[DeadParcel] = ()
    try:
        parcels = await request.deps.axis.dead_list()
    except TransportFailure as error:
        fault = str(error)
    groups = {str(name): [p for p in parcels if p.cause is name] for name in DeadCause}
    listed = groups.get(group_name, parcels)
    names = await agency_names(request, {c for p in listed for c in (p.sender, *p.recipient.split())})
    return await tab_page(
        request,
        "dead",
        "dead",
        groups={name: len(p) for name, p in groups.items() if p},
        parcels=[
            (p, p.cause, reason_words(request, p), names.get(p.sender, p.sender), _recipients(p, names))
            for p in listed
        ],
        wanted=group_name,
        total=len(parcels),
        fault=fault,
    )


def _recipients(parcel: DeadParcel, names: Mapping[str, str]) -> str:
    return ", ".join(names.get(code, code) for code in parcel.recipient.split())


async def show_dead_letter(request: PageRequest) -> web.StreamResponse:
    parcel = await exchange.get_parcel(request.deps, request.path("id"))
    claims = await exchange.parcel_claims(request.deps, parcel.id, request.lang)
    parcel_values = await _parcel_values(request, parcel)
    title = request.say("operating.parcel.title", **parcel_values)
    return await tab_page(request, "dead", "parcel", title=title, claims=claims, **parcel_values)


async def retry(request: PageRequest) -> web.StreamResponse:
    """Retry one parcel. The page before describes the effect of now."""
    parcel = await exchange.get_parcel(request.deps, request.path("id"))
    if not request.is_act:
        claims = await exchange.parcel_claims(request.deps, parcel.id, request.lang)
        words = ("operating.parcel_retry.title", "operating.parcel.order", "operating.dead.retry")
        return await _ask_of_parcel(request, "retry", parcel, None, *words, claims=claims)
    await exchange.retry_parcels(request.deps, request.person.person.id, [parcel.id])
    return request.confirm(_DEAD, "operating.retried")


async def retry_group(request: PageRequest) -> web.StreamResponse:
    """Retry the parcels that the page before named, and no later ones."""
    if not request.is_act:
        return await _group_page(request)
    retried = await exchange.retry_parcels(request.deps, request.person.person.id, request.form.all("parcel"))
    return request.confirm(_DEAD, "operating.retried" if retried else "operating.retried.none")


async def _group_page(request: PageRequest) -> web.Response:
    name = request.path("sort")
    if name not in (*DeadCause, _TICKED_GROUP):
        raise BadForm("there is no such group")
    chosen = set(request.http.query.getall("parcel", []))
    parcels = [
        parcel
        for parcel in await request.deps.axis.dead_list()
        if (parcel.id in chosen if name == _TICKED_GROUP else parcel.cause == name)
    ]
    names = await agency_names(request, {c for p in parcels for c in (p.sender, *p.recipient.split())})
    title = request.say("operating.dead.retry" if name == _TICKED_GROUP else "operating.dead.group")
    return await tab_page(
        request, "dead", "parcels_retry", title=title, parcels=parcels, sort=name, names=names
    )


async def drop(request: PageRequest) -> web.StreamResponse:
    parcel, reason = await exchange.get_parcel(request.deps, request.path("id")), request.form.text("reason")
    if (problems := request.short_reason()) or not request.is_act:
        words = ("operating.parcel_drop.title", "", "operating.dead.drop")
        return await _ask_of_parcel(request, "drop", parcel, problems, *words, grave=True)
    await exchange.drop_parcel(request.deps, request.person.person.id, parcel.id, reason)
    return request.confirm(_DEAD, "operating.dropped")


async def dead_letter_file(request: PageRequest) -> web.StreamResponse:
    """Send the axis' record of it. Its bytes hold a document, which an operator does not read."""
    parcel = await exchange.get_parcel(request.deps, request.path("id"))
    names = "id packet=packet_id kind sender recipient lane size sha256=digest deliveries dead_at reason"
    facts = plain_fields(parcel, names)
    return answers.whole_file(f"goi-tin-loi-{parcel.id}.json", "json", json.dumps(facts).encode())


async def _ask_of_parcel(
    request: PageRequest,
    which: str,
    parcel: DeadParcel,
    problems: Problems | None,
    *words: str,
    **values: object,
) -> web.Response:
    back, values_of_parcel = f"{_DEAD}/{parcel.id}", await _parcel_values(request, parcel)
    ask = partial(tab_question, request, "dead", which, problems, *words)
    return await ask(back=back, **values_of_parcel, **values)


async def _parcel_values(request: PageRequest, parcel: DeadParcel) -> dict[str, object]:
    names = await agency_names(request, (parcel.sender, *parcel.recipient.split()))
    return {
        "parcel": parcel,
        "names": names,
        "sender": names.get(parcel.sender, parcel.sender),
        "recipients": _recipients(parcel, names),
        "sort": parcel.cause,
        "why": reason_words(request, parcel),
    }


ROUTES = (
    get(_DEAD, "dead_letters", list_dead_letters),
    *both(f"{_DEAD}/nhom/{{sort}}/gui-lai", "dead_letters_ask", "dead_letters_retried", retry_group),
    get(_DEAD_ONE, "dead_letter", show_dead_letter),
    get(f"{_DEAD_ONE}/tai", "dead_letter_file", dead_letter_file),
    *both(f"{_DEAD_ONE}/gui-lai", "dead_letter_retry", "dead_letter_retried", retry),
    *both(f"{_DEAD_ONE}/bo", "dead_letter_drop", "dead_letter_dropped", drop),
)
