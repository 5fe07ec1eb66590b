"""The agency's own signature on the lead file of a draft, put on in person (R23a, R25): where it will show, the PIN of the
token, the signed file in the place of the old one. The PIN is typed for each signature; it is kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from aiohttp import web

from gateway.domain.document import FileItem, FileRole, OutgoingDocument, OutState
from gateway.domain.pdf_signing import CopyForm, Purpose, Wish
from gateway.errors import Clash, Denied, GatewayError, NotFound, Refused, StaleVersion
from gateway.office.domain.right import Manner, Right
from gateway.office.web import render
from gateway.office.web.failing import of_error
from gateway.office.web.pages.compose import editor
from gateway.office.web.visit import Visit
from gateway.outgoing import drafting
from gateway.outgoing.intake import tray
from gateway.policy.verdict import Reason, ReasonCode
from gateway.words import labels

COPIES = {"sao-y": CopyForm.SY, "trich-sao": CopyForm.TRS, "sao-luc": CopyForm.SL}
SEAL = "dau"


async def page(visit: Visit) -> web.StreamResponse:
    document, lead = await _lead(visit)
    return await _shown(visit, document, lead, _kind(visit, visit.ask("loai")))


async def view(visit: Visit) -> web.StreamResponse:
    """The page that will bear the signature, as a picture."""
    _, lead = await _lead(visit)
    wish = _wish(visit, _kind(visit, visit.ask("loai")))
    opener = await _opener(visit, lead)
    _, picture = await visit.deps.signing.plan(visit.here, opener, wish)
    answer = web.Response(body=picture, content_type="image/png")
    answer.headers.update(render.headers(visit.nonce, visit.lang))
    return answer


async def signed(visit: Visit) -> web.StreamResponse:
    document, lead = await _lead(visit)
    if visit.form.text("seen") != lead.sha256:
        raise StaleVersion(f"the file of {document.id} is another one by now; look at it before it is signed")
    kind = _kind(visit, visit.form.text("kind"))
    if kind != SEAL and "authorised" not in visit.form and not visit.may(Right.CERTIFY_COPY, Manner.YES):
        return await _shown(
            visit, document, lead, kind, [("authorised", visit.say("compose.sign.authority"))]
        )
    if not visit.form.text("pin"):
        return await _shown(visit, document, lead, kind, [("pin", visit.say("compose.sign.pin.missing"))])
    if not visit.deps.signing.is_ready:
        raise Denied("no token can be reached from this node", code="GW-RIGHT")
    try:
        await _put_on(visit, document, lead, _wish(visit, kind))
    except (Refused, Denied, Clash, NotFound) as why:
        return await _shown(visit, document, lead, kind, _problems(visit, why, lead))
    return visit.said(f"/phat-hanh/{document.id}", "compose.signed")


async def _put_on(visit: Visit, document: OutgoingDocument, lead: FileItem, wish: Wish) -> None:
    """The signed file comes in as any other: it is looked at, and takes the old one's place."""
    opener = await _opener(visit, lead)
    pin = visit.form.text("pin")
    async with tray(visit.deps.out) as held:
        held.total = sum(each.size for each in document.files if each.n != lead.n)
        async with visit.deps.signing.signed(visit.scope(), visit.here, opener, wish, pin) as pieces:
            await held.add(FileRole.LEAD, lead.name, FileRole.LEAD, pieces)
        await drafting.add_files(visit.deps.out, visit.scope(), document.id, held, document.version)


async def _shown(
    visit: Visit,
    document: OutgoingDocument,
    lead: FileItem,
    kind: str,
    problems: list[tuple[str, str]] | None = None,
) -> web.Response:
    found, where = list(problems or ()), None
    try:
        where, _ = await visit.deps.signing.plan(visit.here, await _opener(visit, lead), _wish(visit, kind))
    except GatewayError as why:
        found += _problems(visit, why, lead)
    return await visit.page(
        "compose/sign.html",
        422 if problems else 200,
        title=visit.say("compose.sign.title"),
        document=document,
        lead=lead,
        kind=kind,
        kinds=_kinds(visit),
        is_copy=kind != SEAL,
        must_tick=not visit.may(Right.CERTIFY_COPY, Manner.YES),
        where=where,
        is_ready=visit.deps.signing.is_ready,
        problems=found,
    )


async def _lead(visit: Visit) -> tuple[OutgoingDocument, FileItem]:
    document = await editor.load(visit, visit.path("id"))
    if document.state is not OutState.DRAFT:
        raise Clash(f"{document.id} is no draft any more", code="GW-NO-DRAFT")
    lead = next((each for each in document.files if each.role is FileRole.LEAD), None)
    if lead is None or lead.content_type != "pdf":
        raise NotFound("the draft has no PDF that could be signed")
    return document, lead


async def _opener(visit: Visit, lead: FileItem) -> Callable[[], BinaryIO]:
    async with visit.deps.store.read(visit.scope()) as work:
        return await visit.deps.blobs.open(work, lead.sha256)


def _kind(visit: Visit, asked: str) -> str:
    return asked if asked in dict(_kinds(visit)) else SEAL


def _kinds(visit: Visit) -> list[tuple[str, str]]:
    kinds = [(SEAL, visit.say("compose.sign.seal"))]
    if visit.may(Right.CERTIFY_COPY, Manner.YES, Manner.AUTHORISED):
        kinds += [(key, visit.say(f"sign.mark.{form}")) for key, form in COPIES.items()]
    return kinds


def _wish(visit: Visit, kind: str) -> Wish:
    if kind == SEAL:
        return Wish(purpose=Purpose.SEAL, agency_name=visit.here.name)
    return Wish(purpose=Purpose.COPY, agency_name=visit.here.name, copy_form=COPIES[kind])


def _problems(visit: Visit, why: GatewayError, lead: FileItem) -> list[tuple[str, str]]:
    """The file is named as the clerk knows it, not as it lies in a temporary folder."""
    reasons = getattr(getattr(why, "verdict", None), "reasons", ())
    named = [replace(each, params={**each.params, "name": lead.name}) for each in reasons]
    if not named:
        return [("pin" if why.code.startswith("TOKEN") else "", of_error(why, visit.lang).title)]
    return [("", _words(visit, each)) for each in named]


def _words(visit: Visit, reason: Reason) -> str:
    if reason.code is ReasonCode.SIGN_NO_PERSON:
        return visit.say("compose.sign.no_person", **reason.params)
    return labels.reason_text(reason.code, reason.params, visit.lang)
