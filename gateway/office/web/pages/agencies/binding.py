"""Proposes that a certificate speaks for an agency: the file is looked at first, beside what speaks for the agency now,
with the telephone number to call back; then the person signs the proposal."""

from __future__ import annotations

from aiohttp import web

from gateway.deciding import propose
from gateway.domain.proof import Binding
from gateway.domain.proposal import BindingChange, Content
from gateway.errors import BadForm, Clash, Denied, GatewayError, Misconfigured, NotFound
from gateway.office.domain.right import Manner, Right
from gateway.office.web import forms
from gateway.office.web.pages.agencies import signing
from gateway.office.web.pages.agencies.proposals import LIST
from gateway.office.web.pages.agencies.signing import Problems
from gateway.office.web.routes import Body, Needs, Who, get, post
from gateway.office.web.visit import Visit
from gateway.words import labels

PATH = f"{LIST}/chung-thu-so"
BINDS = (Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE)),)
_MOST_BYTES = 64 * 1024
_FIELD_BYTES = 4_000
_MOST_FIELDS = 50


async def asked(visit: Visit) -> web.StreamResponse:
    """Which agency, and the file."""
    return await _page(visit, {"agency": visit.ask("ma")}, [])


async def looked_at(visit: Visit) -> web.StreamResponse:
    """What the file holds, beside what is in force; nothing is written."""
    given: dict[str, str] = {}
    content = b""
    async for part in forms.parts(visit.request, visit.token):
        if part.name != "file":
            given[part.name or ""] = await forms.short(part, _FIELD_BYTES)
            if len(given) > _MOST_FIELDS:
                raise BadForm(f"this form may have {_MOST_FIELDS} fields", code="GW-FORM-SIZE")
            continue
        while piece := await part.read_chunk(65_536):
            content += piece
            if len(content) > _MOST_BYTES:
                raise BadForm("a certificate file is small", code="GW-FORM-SIZE")
    code = await _agency(visit, given.get("agency", ""))
    if not code:
        return await _page(visit, given, [("agency", visit.say("reforms.certificate.whose"))])
    # PEM is plain letters; whatever else it is will not be read as a certificate.
    pem = content.decode("ascii", "replace")
    change, problems = await _change(visit, code, pem)
    if change is None:
        return await _page(visit, given, problems)
    return await _page(visit, {**given, "agency": code, "pem": pem}, [], change)


async def proposed(visit: Visit) -> web.StreamResponse:
    code, pem = await _agency(visit, visit.form.text("agency")), visit.form.text("pem")
    given = {**visit.form.flat(), "agency": code}
    if not code:
        return await _page(visit, given, [("agency", visit.say("reforms.certificate.whose"))])
    change, problems = await _change(visit, code, pem)
    if change is None:
        return await _page(visit, given, problems)
    if missing := signing.missing(visit):
        return await _page(visit, given, missing, change)
    desk = visit.deps.deciding
    try:
        who = await signing.here(visit)
        made = await propose.run(desk, who, Content(bindings=(change,)), visit.form.text("reason"))
    except (Denied, Clash) as why:
        return await _page(visit, given, signing.refused(visit, why), change)
    return visit.said(f"{LIST}/{made.id}", "reforms.proposed")


async def _agency(visit: Visit, text: str) -> str:
    """Its code of today; nothing for nobody. Denied for another agency than the person's own, but to the node's keepers."""
    entry = await visit.deps.registry.entry(text) if text else None
    if entry is None:
        return ""
    if not visit.may(Right.CERTIFICATE, Manner.TWO):
        ours = {visit.here.code, *visit.here.aliases} if visit.agency is not None else set()
        if entry.code not in ours:
            raise NotFound("there is no such agency here")
    return entry.code


async def _change(visit: Visit, code: str, pem: str) -> tuple[BindingChange | None, Problems]:
    deps = visit.deps
    try:
        wanted = await deps.pool.run(lambda: deps.exchange.binding(code, pem.encode(), "the file"))
        await deps.exchange.never_for_pdfs([wanted.certificate_der])
        known = await deps.registry.bindings(code)
        return propose.binding(known, wanted, deps.clock.now(), deps.deciding.overlap), []
    except (Misconfigured, Clash) as why:
        return None, [("file", _why(visit, why))]


def _why(visit: Visit, error: GatewayError) -> str:
    if isinstance(error, Misconfigured):
        return visit.say("reforms.certificate.unreadable")
    keys = (f"clash.{error.code}", f"code.{error.code}", "reforms.certificate.over")
    return visit.say(next(each for each in keys if labels.has(each)))


async def _page(
    visit: Visit, given: dict[str, str], problems: Problems, change: BindingChange | None = None
) -> web.StreamResponse:
    code = given.get("agency", "")
    agency = await visit.deps.registry.entry(code) if code else None
    known: tuple[Binding, ...] = ()
    if agency is not None and change is not None:
        known = tuple(await visit.deps.registry.bindings(agency.code))
    facts = [visit.deps.certificate(each.certificate_der) for each in known]
    return await visit.page(
        "agencies/bind.html",
        422 if problems else 200,
        title=visit.say("reforms.bind"),
        problems=problems,
        given=given,
        agency=agency,
        change=change,
        facts=visit.deps.certificate(change.certificate_der) if change is not None else None,
        known=[each for each in facts if change is not None and each.fingerprint in change.earlier],
        action=PATH,
    )


ROUTES = (
    get(PATH, "binding", asked, who=Who.READY, needs=BINDS, key="agencies"),
    post(
        PATH,
        "binding_looked_at",
        looked_at,
        who=Who.READY,
        needs=BINDS,
        key="agencies",
        body=Body.PARTS,
    ),
    post(f"{PATH}/lap", "binding_proposed", proposed, who=Who.READY, needs=BINDS, key="agencies"),
)
