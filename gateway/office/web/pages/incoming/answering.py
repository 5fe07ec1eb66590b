"""Answering what its sender asks about a document that is here: recall, take-back, update (15 agrees, 16 refuses). In: a
visit and its form. Out: a page that says what will happen to files and line in the book; then the answer on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.document import IncomingDocument, InState
from gateway.incoming.act import StatusCall
from gateway.office.domain.right import Manner, Right
from gateway.office.web.forms import SHORTEST_REASON
from gateway.office.web.pages.incoming import conflict, detail
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.pages.incoming.taking import Problems
from gateway.office.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One thing that an update changes."""

    label: str
    before: str
    after: str


async def agree_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit, "agree")


async def agreed(visit: Visit) -> web.StreamResponse:
    return await _answer(visit, "15", None)


async def refuse_form(visit: Visit) -> web.StreamResponse:
    return await _form(visit, "disagree")


async def refused(visit: Visit) -> web.StreamResponse:
    why = visit.form.text("reason")
    if len(why) < SHORTEST_REASON:
        return await _form(visit, "disagree", [("reason", visit.say("form.reason.short"))])
    return await _answer(visit, "16", why)


async def _answer(visit: Visit, code: str, why: str | None) -> web.StreamResponse:
    found = await seen.find(visit)
    visit.person.require(Right.ANSWER, Manner.YES)
    known = await detail.look(visit, found.whole)
    asked = visit.form.text("request")
    if known.request is None or known.request.standing.request_id != asked:
        return await conflict.page(visit, found)
    call = StatusCall(code=code, note=why, staff=seen.staff(visit))
    told = "incoming.agreed" if code == "15" else "incoming.disagreed"
    return await conflict.done(visit, found, conflict.status(visit, found, call), told)


async def _form(visit: Visit, name: str, problems: Problems | None = None) -> web.StreamResponse:
    found = await seen.find(visit)
    known = await detail.look(visit, found.whole)
    if known.request is None or found.whole.state is InState.SEALED:
        return await conflict.page(visit, found)
    child = known.request.child
    return await visit.page(
        f"incoming/{name}.html",
        422 if problems else 200,
        title=visit.say(f"incoming.{name}.title", name=found.name),
        found=found,
        document=found.whole,
        request=known.request,
        changed=changes(visit, found.whole, child) if child is not None else (),
        problems=problems or [],
        given=visit.form.flat(),
        version=visit.form.text("version") or str(found.whole.version),
    )


def changes(visit: Visit, before: IncomingDocument, after: IncomingDocument) -> Sequence[Changed]:
    """What the document will say otherwise; of files their names."""
    pairs = (
        ("incoming.subject", before.subject, after.subject),
        ("incoming.type", before.type_name, after.type_name),
        ("incoming.signer", _signer(before), _signer(after)),
        ("incoming.urgency", *(visit.say(f"urgency.{each.urgency.key}") for each in (before, after))),
        ("incoming.due_on", _day(before), _day(after)),
        ("incoming.pages", str(before.pages or ""), str(after.pages or "")),
        ("incoming.files", _files(before), _files(after) or _files(before)),
    )
    return [
        Changed(label=visit.say(key), before=str(old or "–"), after=str(new or "–"))
        for key, old, new in pairs
        if (old or "") != (new or "")
    ]


def _signer(document: IncomingDocument) -> str:
    return document.signer.name if document.signer is not None else ""


def _day(document: IncomingDocument) -> str:
    return document.due_on.strftime("%d/%m/%Y") if document.due_on is not None else ""


def _files(document: IncomingDocument) -> str:
    return ", ".join(each.name for each in document.files)
