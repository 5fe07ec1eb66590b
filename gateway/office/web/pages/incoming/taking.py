"""Taking in, putting on hold, refusing: what a clerk decides about a document that has come (statuses 03 and 02). In: a
visit and its form. Out: a page that says what will happen and to whom, then the document as it stands; a form that was
not taken comes back with everything that was typed."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.domain.account import NumberingMode
from gateway.domain.document import InState, Source
from gateway.errors import Clash, Refused, StaleVersion
from gateway.incoming import on_hold
from gateway.incoming.act import StatusCall
from gateway.office.domain.right import Manner, Right
from gateway.office.web import failing
from gateway.office.web.forms import SHORTEST_REASON
from gateway.office.web.pages.incoming import conflict, detail
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.pages.incoming.found import Found
from gateway.office.web.visit import Visit

# interfaces.md 1.8, in its order.
REASONS = (
    *("WRONG_ADDRESSEE", "OUT_OF_AUTHORITY", "NOT_AUTHENTIC", "DAMAGED", "MISSING_FILE", "BAD_FORM"),
    *("DUPLICATE", "SECRET", "FORBIDDEN_CONTENT", "MALWARE", "OTHER"),
)
Problems = list[tuple[str, str]]


async def take_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit, "take_in")


async def taken(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not _is_open(found):
        return await conflict.page(visit, found)
    note, number = visit.form.text("note"), visit.form.text("register_no")
    known = await detail.look(visit, found.whole)
    problems = _numbering(visit, known.agency.numbering, number)
    if not detail.panel_of(visit, found, known).is_clean:
        problems += _written(visit, "note", "incoming.note", note)
    if problems:
        return await _form(visit, "take_in", problems)
    call = StatusCall(
        code="03",
        register_no=number if known.agency.numbering is NumberingMode.C else None,
        note=note or None,
        staff=seen.staff(visit),
    )
    try:
        done = await conflict.status(visit, found, call)
    except StaleVersion:
        return await conflict.page(visit, found)
    except Refused as why:
        return await _form(visit, "take_in", _broken(visit, why))
    except Clash as why:
        if why.code == "GW-STATUS":
            return await conflict.page(visit, found)
        return await _form(visit, "take_in", [("register_no", failing.of_error(why, visit.lang).title)])
    return visit.said(found.path, "incoming.registered" if done.register_no else "incoming.taken_in")


async def hold_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit, "hold")


async def held(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    why = visit.form.text("reason")
    if problems := _written(visit, "reason", "incoming.reason", why):
        return await _form(visit, "hold", problems)
    version = conflict.version(visit)
    done = on_hold.run(visit.deps.inn, visit.scope(), found.whole.id, why, expect_version=version)
    return await conflict.done(visit, found, done, "incoming.held")


async def refuse_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit, "refuse")


async def refused(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.TAKE_IN, Manner.YES)
    if not _is_open(found):
        return await conflict.page(visit, found)
    code, note = visit.form.text("reason"), visit.form.text("note")
    problems: Problems = []
    if code not in REASONS:
        problems.append(("reason", visit.say("incoming.refuse.choose")))
    problems += _written(visit, "note", "incoming.refuse.text", note)
    if problems:
        return await _form(visit, "refuse", problems)
    call = StatusCall(code="02", reason=code, note=note, staff=seen.staff(visit))
    return await conflict.done(visit, found, conflict.status(visit, found, call), "incoming.refused")


async def _form(visit: Visit, name: str, problems: Sequence[tuple[str, str]] = ()) -> web.StreamResponse:
    """One of the three pages. Nothing can be decided about what was decided before."""
    found = await seen.find(visit)
    if not _is_open(found) or (name == "hold" and found.whole.state is not InState.NEW):
        return await conflict.page(visit, found)
    known = await detail.look(visit, found.whole)
    panel = detail.panel_of(visit, found, known)
    return await visit.page(
        f"incoming/{name}.html",
        422 if problems else 200,
        title=visit.say(f"incoming.{name}.title", name=found.name),
        found=found,
        document=found.whole,
        panel=panel,
        mode=known.agency.numbering.value,
        reasons=[
            ("", visit.say("incoming.refuse.none")),
            *((each, visit.say(f"reason.{each}")) for each in REASONS),
        ],
        problems=list(problems),
        given=visit.form.flat(),
        version=visit.form.text("version") or str(found.whole.version),
    )


def _is_open(found: Found) -> bool:
    return found.whole.state in seen.OPEN and found.whole.source is Source.AXIS


def _numbering(visit: Visit, mode: NumberingMode, number: str) -> Problems:
    if mode is NumberingMode.C and not number:
        return [("register_no", visit.say("form.missing", field=visit.say("incoming.number")))]
    return []


def _written(visit: Visit, field: str, label: str, text: str) -> Problems:
    if not text:
        return [(field, visit.say("form.missing", field=visit.say(label)))]
    return (
        [] if len(text) >= SHORTEST_REASON else [(field, visit.say("incoming.short", field=visit.say(label)))]
    )


def _broken(visit: Visit, why: Refused) -> Problems:
    """Every broken rule beside its field."""
    return [
        (pointer.strip("/").partition("/")[0], words) for pointer, words in failing.reasons(why, visit.lang)
    ]
