"""The proposal that a certificate signs PDFs for an agency, as its seal or as a person's signature. In: a specimen (a
signed PDF) or a certificate file, and the agency. Out: the certificates in it, with what their subjects say as an offer;
then a proposal for the one that the person chose, with position, capacity and period. A second person approves it as any
other. Letters that introduce seals lead here, filled in, without their subjects, or a person puts them aside. For an
agency's page also: all that is registered for it."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509

from gateway.deciding import proposals
from gateway.domain.person import ProposalContent
from gateway.domain.seals import (
    CAPACITIES,
    CertificateKind,
    RegisteredCertificate,
    SealChange,
    SealingRight,
    SealingRightChange,
)
from gateway.domain.wall_clock import midnight
from gateway.errors import Clash, Misconfigured, NotFound
from gateway.incoming import reading
from gateway.ops.specimen import OfferedCertificate, read_specimen
from gateway.stored_content import Door
from gateway_office import introductions
from gateway_office.domain.roles import Manner, Right
from gateway_office.node.exchange import ComparedCertificate, certificate_facts
from gateway_office.web import dates, duty_table, forms
from gateway_office.web.addresses import url_for
from gateway_office.web.duty_table import INTRODUCTIONS
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.agencies.common import both, get, post
from gateway_office.web.pages.agencies.proposals import BINDS, LIST, TRUSTED, TRUSTS, agency_bound
from gateway_office.web.pages.content import note_read
from gateway_office.web.routes import FormBody

SEALS = f"{LIST}/mau-dau"
_MOST_BYTES = 10 * 1024 * 1024
_MOST_OFFERED = 20
_LAST = "until"
_FIRST_DAYS = ("act_date", "since")
_LONGEST_NUMBER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOffer:
    """Certificate that the person may choose. `content` is its DER in Base64."""

    content: str
    facts: ComparedCertificate
    kind: CertificateKind
    name: str
    organisation: str


async def seal_page(
    request: PageRequest,
    form_values: dict[str, str] | None = None,
    problems: Problems | None = None,
    offers: Sequence[ShownOffer] = (),
) -> web.StreamResponse:
    """Ask for agency and file; then show the certificates of the file. A letter that introduces them has both."""
    if form_values is None:
        form_values, offers = {"agency": request.ask("ma")}, await _offers_of_letter(request)
        form_values |= {"chosen": offers[0].content} if offers else {}
    code = form_values.get("agency", "")
    return await request.form_page(
        "agencies/seal.html",
        problems,
        title=request.say("reforms.seal"),
        given=form_values,
        agency=await request.deps.registry.entry(code) if code else None,
        offers=offers,
        kinds=[
            ("", request.say("reforms.seal.as_certificate")),
            *((str(kind), request.say(f"certificate.kind.{kind}")) for kind in CertificateKind),
        ],
        capacities=[("", "–"), *((c, c) for c in CAPACITIES)],
        action=SEALS,
    )


async def preview_seal(request: PageRequest) -> web.StreamResponse:
    """Show the certificates of the file; nothing is written."""
    form_values, content = await forms.read_file(
        request.http, request.token, _MOST_BYTES, "a specimen is small"
    )
    code, fault = await agency_bound(request, form_values.get("agency", ""))
    if fault:
        return await seal_page(request, form_values, [("agency", fault)])
    try:
        offered = await request.deps.pool.run(lambda: _read(request, content))
    except (NotFound, Misconfigured):
        return await seal_page(request, form_values, [("file", request.say("reforms.seal.unreadable"))])
    offers = [_offer(o) for o in offered[:_MOST_OFFERED]]
    # Kind and name follow the certificate that is chosen, while nothing else is chosen or typed.
    first = {"agency": code, "chosen": offers[0].content}
    return await seal_page(request, {**form_values, **first}, None, offers)


async def _offers_of_letter(request: PageRequest) -> Sequence[ShownOffer]:
    """Read the certificates in the files of the letter that the address names, where the person may read it."""
    id, offers = request.ask("van-ban"), dict[str, ShownOffer]()
    if not id or not request.may(Right.SEE_CONTENT, Manner.YES):
        return ()
    async with request.deps.store.read(request.scope()) as work:
        letter = await work.incoming.get(id)
    for file in letter.files:
        if file.found_type != "pdf" or file.size > _MOST_BYTES:
            continue
        opened = await reading.open_file(*request.incoming, id, file.n, Door.PAGES)
        await note_read(request, id, opened.name, assigned=False)
        content = b"".join([piece async for piece in opened.pieces])
        with suppress(NotFound, Misconfigured):
            offered = await request.deps.pool.run(partial(_read, request, content))
            offers |= {offer.content: offer for offer in map(_offer, offered)}
    return list(offers.values())[:_MOST_OFFERED]


def _read(request: PageRequest, content: bytes) -> Sequence[OfferedCertificate]:
    deps = request.deps
    with tempfile.NamedTemporaryFile(prefix="specimen-") as file:
        file.write(content)
        file.flush()
        return read_specimen(Path(file.name), deps.settings.trust.folder / "pdf", deps.clock.now())


def _offer(offered: OfferedCertificate) -> ShownOffer:
    return ShownOffer(
        content=base64.b64encode(offered.certificate_der).decode(),
        facts=certificate_facts(offered.certificate_der),
        kind=offered.kind,
        name=offered.name,
        organisation=offered.organisation,
    )


async def propose_seal(request: PageRequest) -> web.StreamResponse:
    code, fault = await agency_bound(request, request.form.text("agency"))
    form_values = {**request.form.flat(), "agency": code}
    offers = _posted_offers(request)
    if fault or not offers:
        return await seal_page(request, form_values, [("agency", fault)] if fault else None)
    change, problems = _change(request, code, offers)
    if change is None:
        return await seal_page(request, form_values, problems, offers)
    content = ProposalContent(seals=(change,))
    confirmation, problems = await common.propose_signed(
        request, [], lambda person, reason: proposals.propose(request.deps.deciding, person, content, reason)
    )
    return confirmation or await seal_page(request, form_values, problems, offers)


def _posted_offers(request: PageRequest) -> list[ShownOffer]:
    """Return the offers that the form shows, with the words that it showed; what is no certificate is left out."""
    offers, form = list[ShownOffer](), request.form
    words = zip_longest(
        *(form.all(f"offered_{name}") for name in ("kind", "name", "organisation")), fillvalue=""
    )
    for content, texts in zip(form.all("offered")[:_MOST_OFFERED], [*words], strict=False):
        try:
            der, kind = base64.b64decode(content, validate=True), CertificateKind(texts[0])
            x509.load_der_x509_certificate(der)
        except ValueError:
            continue
        facts = certificate_facts(der)
        offer = ShownOffer(content=content, facts=facts, kind=kind, name=texts[1], organisation=texts[2])
        offers.append(offer)
    return offers


def _change(
    request: PageRequest, code: str, offers: Sequence[ShownOffer]
) -> tuple[SealChange | None, Problems]:
    """Return the change that the form describes, or what is wrong with it."""
    form = request.form
    chosen = next((offer for offer in offers if offer.content == form.text("chosen")), None)
    if chosen is None:
        return None, [("chosen", request.say("reforms.seal.choose"))]
    kind = form.text("kind") or str(chosen.kind)
    if kind not in list(CertificateKind):
        return None, [("kind", request.say("reforms.seal.choose"))]
    text = form.text(_LAST)
    last = dates.typed_day(text, request.today) if text else None
    if text and last is None:
        return None, [(_LAST, request.say("listing.day.unreadable"))]
    is_person = kind == CertificateKind.PERSON
    try:
        change = proposals.seal_change(
            code,
            CertificateKind(kind),
            base64.b64decode(chosen.content),
            until=midnight(last + timedelta(days=1)) if last is not None else None,
            name=(form.text("name") or chosen.name) if is_person else "",
            position=form.text("position") if is_person else "",
            capacity=form.text("capacity") if is_person else "",
        )
    except Clash as error:
        field = {"SEAL-NO-TIME": _LAST, "SEAL-PERSON": "position", "SEAL-CAPACITY": "capacity"}
        return None, [(field.get(error.code, "chosen"), request.say(f"clash.{error.code}"))]
    return change, []


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSeals:
    """Seals, persons and rights to seal of one agency, as its page lists them."""

    certificates: Sequence[tuple[RegisteredCertificate, str]] = ()
    """Each with its standing: present, next or ended."""
    rights: Sequence[tuple[SealingRight, str]] = ()


async def registered_seals(request: PageRequest, code: str) -> RegisteredSeals:
    """Load what is registered for the code, and the rights to seal of and for it."""
    now, today = request.deps.clock.now(), request.today
    async with request.deps.deciding.decisions.read() as view:
        certificates = await view.seals.list_certificates(code)
        rights = await view.seals.list_rights(code)

    def standing(*, has_begun: bool, is_over: bool) -> str:
        return "ended" if is_over else "present" if has_begun else "next"

    return RegisteredSeals(
        certificates=[
            (c, standing(has_begun=c.valid_from <= now, is_over=c.valid_to <= now)) for c in certificates
        ],
        rights=[
            (
                r,
                standing(
                    has_begun=r.valid_from <= today,
                    is_over=r.valid_to is not None and r.valid_to < today,
                ),
            )
            for r in rights
        ],
    )


async def list_introductions(request: PageRequest) -> web.StreamResponse:
    return await request.page(
        "agencies/introductions.html",
        title=request.say("tasks.introductions"),
        letters=await duty_table.introduced(request),
        form_of=lambda letter: url_for(SEALS, **{"ma": letter.sender_code, "van-ban": letter.id}),
    )


async def put_aside(request: PageRequest) -> web.StreamResponse:
    problems, reason = request.short_reason(), request.form.text("reason")
    if problems or not request.is_act:
        return await _question(request, problems, "put_aside", back=INTRODUCTIONS)
    await introductions.put_aside(
        request.deps.todo, request.deps.deciding, request.scope(), request.path("id"), reason
    )
    return request.confirm(INTRODUCTIONS, "introductions.put_aside")


async def entitle(request: PageRequest) -> web.StreamResponse:
    """Propose that one agency may seal for another, by a written act."""
    code = request.form.text("agency") if request.is_act else request.ask("ma")
    problems: Problems = []
    if request.is_act:
        change, problems = await _right_of_form(request, code)
        content = ProposalContent(sealing_rights=(change,))
        confirmation, problems = await common.propose_signed(
            request,
            problems,
            lambda person, reason: proposals.propose(request.deps.deciding, person, content, reason),
        )
        if confirmation is not None:
            return confirmation
    return await _question(request, problems, "entitle", back=LIST, agency=code)


async def _right_of_form(request: PageRequest, typed_code: str) -> tuple[SealingRightChange, Problems]:
    """Return the right that the form describes, and what is wrong with it."""
    form, problems = request.form, list[tuple[str, str]]()
    code, fault = await agency_bound(request, typed_code)
    problems += [("agency", fault)] if fault else []
    acting, fault = await common.known_code(request, form.text("acting"))
    fault = fault or (request.say("agencies.entitle.same") if acting == code else "")
    problems += [("acting", fault)] if fault else []
    number = form.text("act_number")[:_LONGEST_NUMBER]
    problems += [] if number else [request.missing("act_number", "agencies.entitle.act_number")]
    days = {name: dates.typed_day(form.text(name), request.today) for name in (*_FIRST_DAYS, _LAST)}
    problems += [
        (name, request.say("listing.day.unreadable"))
        for name, day in days.items()
        if day is None and (name in _FIRST_DAYS or form.text(name))
    ]
    act_date, first = (days[name] or request.today for name in _FIRST_DAYS)
    last = days[_LAST]
    if last is not None and last < first:
        problems.append((_LAST, request.say("clash.SEAL-NO-TIME")))
    change = SealingRightChange(
        acting_code=acting,
        code=code,
        act_number=number,
        act_date=act_date,
        valid_from=first,
        valid_to=last,
    )
    return change, problems


async def withdraw(request: PageRequest) -> web.StreamResponse:
    """End a registered certificate or a right to seal, now or from a day on."""
    id, problems = request.ask("so"), Problems()
    async with request.deps.deciding.decisions.read() as view:
        certificate = next((c for c in await view.seals.list_certificates() if c.id == id), None)
        right = next((r for r in await view.seals.list_rights() if r.id == id), None)
    code = certificate.code if certificate else right.code if right else ""
    if not code:
        raise NotFound("nothing is registered under this id")
    if request.is_act:
        since, now = request.form.text("since"), request.deps.clock.now()
        day = dates.typed_day(since, request.today) if since else None
        problems = request.short_reason()
        problems += [("since", request.say("listing.day.unreadable"))] if since and day is None else []
        services, reason = request.deps.deciding, request.form.text("reason")
        at = midnight(day) if day is not None else now
        outcome, problems = await common.perform_signed(
            request,
            problems,
            lambda person: proposals.withdraw_seal(services, person.person.id, id, at, reason),
        )
        if outcome is not None:
            return request.confirm(f"/co-quan/{code}", "seals.withdrawn", muc="chung-thu-so")
    return await _question(
        request,
        problems,
        "withdraw",
        back=f"/co-quan/{code}",
        query={"so": id},
        code=code,
        certificate=certificate,
        right=right,
        grave=True,
    )


async def _question(
    request: PageRequest, problems: Problems, act: str, **values: Any
) -> web.StreamResponse:  # Any: values of a template
    return await request.question(
        problems,
        f"agencies.{act}",
        part="agencies/_seal_questions.html",
        which=act,
        **values,
    )


ROUTES = (
    get(SEALS, "seal", seal_page, needs=BINDS),
    post(SEALS, "seal_looked_at", preview_seal, needs=BINDS, body=FormBody.PARTS),
    post(f"{SEALS}/lap", "seal_proposed", propose_seal, needs=BINDS),
    *both(f"{LIST}/dong-dau-thay", "seal_right_page", "seal_right_proposed", entitle, needs=BINDS),
    get(INTRODUCTIONS, "introductions", list_introductions, needs=(TRUSTS,)),
    *both(f"{INTRODUCTIONS}/{{id}}/bo-qua", "introduction", "introduction_aside", put_aside, needs=(TRUSTS,)),
    *both(f"{SEALS}/thoi", "seal_end_page", "seal_ended", withdraw, needs=(TRUSTED,)),
)
