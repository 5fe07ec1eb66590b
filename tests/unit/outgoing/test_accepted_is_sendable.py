"""The promise of acceptance is a property: whatever a caller writes, a document or status that the checks of the doors
let through is written, passes the fast path, and is read again with the same meaning. It takes 100 examples with `make
test`, 500 with `make test-long`, 20,000 with `make property`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from gateway.api.models import MessageIn
from gateway.api.parsing import parse_json
from gateway.api.resources.inbox import StatusIn
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import DocumentChange, FileItem, FileRole, Kind, OutgoingDocument, OutState
from gateway.domain.fields import CHANGE, tidy
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import StatusPacket
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution
from gateway.domain.request_fault import BadCall
from gateway.domain.signatures import FileFacts
from gateway.edxml import build, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import BreaksRule, Refused
from gateway.incoming import act, settle
from gateway.outgoing import translate
from gateway.outgoing.intake import Order
from gateway.policy import admission
from gateway.policy import outgoing as rules
from gateway.policy.profile import Profile
from gateway.policy.texts import broken_fields
from tests.support import envelopes, pki, request_fields

EXAMPLES = [
    100,
    pytest.param(int(os.environ.get("PROPERTY_EXAMPLES", "500")), marks=pytest.mark.long, id="many"),
]
NOW, TODAY = datetime(2026, 11, 20, 3, 0, tzinfo=UTC), date(2026, 11, 20)
OWN, OTHER = "Z91.07", "Z91.01"
SIGNER = pki.signer(OWN, "p256")
AGENCY = HostedAgency(id="agn_1", code=OWN, name="Sở Thử", aliases=(), numbering=NumberingMode.B)
NAMES = st.text(min_size=1, max_size=80).map(lambda name: f"{name}.pdf")


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_document_that_is_accepted_packs_and_is_read_back_unchanged(examples: int) -> None:
    _tried(
        examples,
        _check_accepted_document,
        raw=request_fields.messages(15),
        wish=request_fields.changes(),
        kind=st.sampled_from([Kind.DOCUMENT, Kind.UPDATE, Kind.REPLACEMENT, Kind.RECALL]),
        names=st.lists(NAMES, min_size=1, max_size=3),
    )


@pytest.mark.parametrize("examples", EXAMPLES)
def test_every_status_that_is_accepted_packs_and_is_read_back_unchanged(examples: int) -> None:
    _tried(
        examples,
        _check_accepted_status,
        raw=request_fields.statuses(),
        at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
    )


def _tried(examples: int, holds: Callable[..., None], **drawn: st.SearchStrategy[Any]) -> None:
    chosen = settings(
        max_examples=examples, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
    )
    chosen(given(**drawn)(holds))()


def _check_accepted_document(raw: dict[str, Any], wish: dict[str, Any], kind: Kind, names: list[str]) -> None:
    order = _order_asked_for(raw, wish, kind)
    if order is None:
        return
    files = _files(names)
    document = _document(order, () if kind is Kind.RECALL else files)
    checked = rules.check(
        order.draft,
        [(file, FileFacts(found_type="pdf", size=file.size)) for file in files],
        [Resolution(query=OTHER, standing=CodeStanding.ACTIVE, entry=AgencyEntry(code=OTHER, name="Xã Mẫu"))],
        Profile(),
        TODAY,
        own_codes=(OWN,),
    )
    required = ("/approved_by", "/notice_no") if kind is Kind.RECALL else ()
    broken = [*broken_fields(CHANGE, order.change, required=required)] if order.change is not None else []
    if not checked.allowed or broken:
        event("refused by the table of fields")
        return
    verdict = translate.judge_order(order, order.draft, document.files, document.document_id, AGENCY, NOW)
    if not verdict.allowed:
        # Nothing but this is left to the writer: what the table allows it can write.
        assert "the text null" in verdict.reasons[0].params["detail"]
        return
    event("accepted")
    model = translate.envelope_of(document, AGENCY, NOW)
    assert _through(model, translate.qualifier(document), [file.name for file in document.files]) == model


def _check_accepted_status(raw: dict[str, Any], at: datetime) -> None:
    try:
        call = tidy(parse_json(_json(raw), StatusIn).value.to_call())
        act.complete(call)
    except (BadCall, Refused):
        event("refused")
        return
    event("accepted")
    note = settle.refusal_text(call.reason, call.note) if call.reason else call.note
    packet = StatusPacket(
        packet_id=PacketId("pkt_" + "1" * 26),
        sender_code=OWN,
        to_code=OTHER,
        code=call.code,
        document_id=DocumentId(f"{OTHER},2026/11/20,15/STD-VP"),
        document_code="15/STD-VP",
        issued_on=TODAY,
        stated_at=at.replace(tzinfo=UTC),
        description=note,
        staff=call.staff,
        receipt=replace(envelopes.receipt(call.code), status_code=call.code),
    )
    build.prove_status(packet, AGENCY)
    if call.note:
        assert call.note in (note or "")
    model = build.status_envelope(packet, AGENCY)
    assert _through(model, build.status_qualifier(packet), ()) == model


def _order_asked_for(raw: dict[str, Any], wish: dict[str, Any], kind: Kind) -> Order | None:
    """Read the order as the front doors do; return None where they cannot."""
    try:
        message = parse_json(_json(raw), MessageIn).value
    except BadCall:
        event("refused as JSON")
        return None
    target = DocumentId(f"{OWN},2026/11/01,9/STD-VP")
    replaces = ((target, (OTHER,)),) if kind is Kind.REPLACEMENT else ()
    change = DocumentChange(**wish, target=target, replaces=replaces) if kind is not Kind.DOCUMENT else None
    return Order(draft=message.to_draft(), kind=kind, change=change)


def _json(raw: dict[str, Any]) -> bytes:
    return json.dumps(raw).encode()


def _files(names: Sequence[str]) -> tuple[FileItem, ...]:
    assume(all(admission.check_name(name, "/files/0") is None for name in names))
    return tuple(
        FileItem(
            n=n,
            name=name,
            role=FileRole.LEAD if n == 1 else FileRole.APPENDIX,
            content_type="pdf",
            size=9,
            sha256=Digest("0" * 64),
        )
        for n, name in enumerate(admission.stored_names(names), 1)
    )


def _document(order: Order, files: tuple[FileItem, ...]) -> OutgoingDocument:
    number = f"{order.draft.number}/{order.draft.symbol}"
    return OutgoingDocument(
        id="msg_1",
        agency_id=AGENCY.id,
        kind=order.kind,
        packet_id=PacketId("pkt_" + "0" * 26),
        document_id=DocumentId(f"{OWN},2026/11/20,{number}"),
        draft=order.draft,
        files=files,
        state=OutState.QUEUED,
        created_at=NOW,
        accepted_by="",
        change=order.change,
    )


def _through(model: Envelope, qualifier: build.Qualifier, names: Sequence[str]) -> Envelope:
    """Write the model, sign it, prove it on the fast path, and return what is read."""
    out = BytesIO()
    try:
        build.write(
            model, envelopes.contents([(name, b"%PDF-1.4\n") for name in names]), out, SIGNER, qualifier, NOW
        )
    except BreaksRule as error:
        raise AssertionError(f"accepted, and cannot be written: {error}") from error
    raw = out.getvalue()
    signed = verify.examine(
        verify.EnvelopeSource(size=len(raw), open=lambda: [raw]),
        policy=XmlPolicy(),
        bindings=lambda code: (envelopes.binding(SIGNER),),
        at=NOW,
        transport=None,
    ).signed
    assert signed.path == "fast"
    return signed.model
