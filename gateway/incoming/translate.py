"""The wire's envelope as our incoming document. In: a verified packet and what was found in its files. Out:
`IncomingDocument`. The only place where elements of the dialect become our words; `outgoing.translate` is its
counterpart. What the sender did not say stays None."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from typing import Any

from gateway.domain import notice_words
from gateway.domain.document import (
    DeliveryMode,
    DocumentChange,
    FileRole,
    IncomingDocument,
    IncomingFile,
    InState,
    Kind,
    RecipientRole,
    ReplyLink,
    Signer,
    Urgency,
)
from gateway.domain.fields import escape_turning
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.proof import FileSlice, Terms
from gateway.domain.queues import InboxPacket
from gateway.domain.signatures import FileFacts
from gateway.edxml.envelope import Envelope, fields_in
from gateway.incoming.verify import Proved
from gateway.policy.admission import stored_names
from gateway.words import labels

# K4: it passed because the grace runs; the mark stays until an authority has answered.
REVOCATION_UNKNOWN = "revocation_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One file of the packet and what it was found to be; no facts when its encoding is damaged."""

    part: FileSlice
    facts: FileFacts | None


def document(
    id: str,
    item: InboxPacket,
    proved: Proved,
    looked: Sequence[Looked],
    *,
    source: Digest,
    attempt: int,
    state: InState,
    codes: Collection[str],
    target_id: str | None = None,
    checks: dict[str, str] | None = None,
) -> IncomingDocument:
    """The document that this packet becomes; `source` names the octets that its file slices lie in, `codes`
    are those under which a packet may name its receiver."""
    signed, model = proved.envelope.signed, proved.envelope.model
    terms = signed.terms or Terms()
    return IncomingDocument(
        id=id,
        agency_id=item.agency_id,
        inbox_id=item.id,
        kind=model.kind,
        sender_code=proved.envelope.sender,
        sender_name=_shown(model.sender.organ_name),
        document_id=DocumentId(model.document_id or ""),
        packet_id=signed.packet_id,
        attempt=attempt,
        **_said(model),
        due_on=model.due_date,
        body_digest=signed.body_digest,
        envelope_digest=item.file_digest,
        envelope_size=item.size,
        vouched_by=proved.envelope.verdict,
        arrived_at=item.received_at,
        state=state,
        files=_files(looked, source),
        reply_required=_reply_required(terms, model),
        due_at=terms.due_at,
        delivery_mode=_delivery_mode(terms, model),
        role=_our_role(terms, model, codes),
        replies_to=replies(model),
        recipients=tuple(to.organ_id for to in model.to if to.organ_id),
        target_id=target_id,
        change=_change(model),
        marks=marks_of(proved),
        checks=checks or {},
        axes=item.axes,
    )


_OURS = frozenset(each.name for each in fields(IncomingDocument))
_BARE = {"number": "", "symbol": "", "issued_on": None, "type_name": None, "subject": ""}


def _said(model: Envelope) -> dict[str, Any]:
    """The fields that travel in elements of their own and that an incoming document has too. Any: each has its own type."""
    said = {name: value for name, value in fields_in(model).items() if name in _OURS}
    texts = {name: value for name, value in said.items() if isinstance(value, str | tuple)}
    shown = {name: _all_shown(value) for name, value in texts.items() if name not in ("number", "symbol")}
    return _BARE | said | shown | {"signer": _signer(model), "urgency": _urgency(said.get("urgency"))}


def _reply_required(terms: Terms, model: Envelope) -> bool | None:
    """Who names a day for the answer wants one, unless they say that they do not."""
    if terms.reply_required is not None:
        return terms.reply_required
    return True if model.due_date else None


def _delivery_mode(terms: Terms, model: Envelope) -> DeliveryMode | None:
    """Without a word about it, Paper 1 says that paper follows, and 0 nothing (W6a)."""
    if terms.delivery_mode is not None:
        return terms.delivery_mode
    return DeliveryMode.BOTH if model.business and model.business.paper == 1 else None


def _our_role(terms: Terms, model: Envelope, codes: Collection[str]) -> RecipientRole | None:
    """That of the code by which we were addressed: a code of ours, or one that led here (A5)."""
    ours = {code.strip().casefold() for code in codes}
    named = (to.organ_id for to in model.to if to.organ_id and to.organ_id.strip().casefold() in ours)
    return next((role for code in named if (role := terms.role_of(code)) is not None), None)


def marks_of(proved: Proved) -> tuple[str, ...]:
    """What its proof leaves to be said."""
    unknown = any(note.code == "CERT-REVOCATION-UNKNOWN" for note in proved.envelope.notes)
    return (REVOCATION_UNKNOWN,) if unknown else ()


def target_of(model: Envelope) -> str | None:
    """The DocumentId that an update or recall acts on (edxml.md 2.4): Bussiness, else ResponseFor, else its own."""
    if model.business and model.business.document_id:
        return model.business.document_id
    for answered in model.response_for:
        if model.kind is Kind.RECALL and answered.document_id:
            return answered.document_id
    return model.document_id


def _signer(model: Envelope) -> Signer | None:
    if model.signer is None or not model.signer.full_name:
        return None
    return Signer(
        name=escape_turning(model.signer.full_name),
        title=_shown(model.signer.position),
        competence=_shown(model.signer.competence),
    )


def _shown(text: str | None) -> str | None:
    return text and escape_turning(text)


def _all_shown(value: Any) -> Any:
    """The texts of a field, as they may be shown. Any: it may be of any type."""
    if isinstance(value, str):
        return escape_turning(value)
    return tuple(map(_all_shown, value)) if isinstance(value, tuple) else value


_URGENCIES: Mapping[int | None, Urgency] = {int(urgency): urgency for urgency in Urgency}


def _urgency(priority: int | None) -> Urgency:
    """A number outside the table is shown as normal; the finding of the reader keeps what was written."""
    return _URGENCIES.get(priority, Urgency.NORMAL)


def _files(looked: Sequence[Looked], source: Digest) -> tuple[IncomingFile, ...]:
    """Under names that can be shown and stored, each once; the signed name stays in the envelope (threats 75 to 78)."""
    names = stored_names([one.part.name for one in looked])
    return tuple(
        IncomingFile(
            n=n,
            name=name,
            content_type=one.part.content_type or "application/octet-stream",
            size=one.part.size or 0,
            sha256=one.part.sha256 or Digest("0" * 64),
            source=source,
            offset=one.part.offset,
            length=one.part.length,
            coding=one.part.coding,
            role=_role(one.part.description),
            pages=one.facts.pages if one.facts else None,
            found_type=one.facts.found_type if one.facts else None,
        )
        for n, (name, one) in enumerate(zip(names, looked, strict=True), 1)
    )


def _role(description: str | None) -> FileRole | None:
    """Our own words for a role, written by `outgoing.translate`; anything else says nothing about the role."""
    return _roles_by_words().get(description or "")


@cache
def _roles_by_words() -> Mapping[str, FileRole]:
    return {labels.say(f"file_role.{role}", "vi"): role for role in FileRole}


def replies(model: Envelope) -> tuple[ReplyLink, ...]:
    """The documents that it says it answers. A recall's ResponseFor points to the document recalled, not to one that it
    answers."""
    return tuple(
        ReplyLink(
            agency=one.organ_id,
            number=one.code,
            date=one.promulgation_date or date.min,
            document_id=DocumentId(one.document_id) if one.document_id else None,
        )
        for one in model.response_for
        if model.kind is not Kind.RECALL and one.organ_id and one.code
    )


def _change(model: Envelope) -> DocumentChange | None:
    if model.business is None or model.kind is Kind.DOCUMENT:
        return None
    info, said = model.business.document_info, notice_words.read(model.business.reason or "")
    receivers = info.receivers if info else ()
    return DocumentChange(
        reason=escape_turning(said.reason),
        notice_no=said.notice_no,
        approved_by=_shown(said.approved_by),
        target=DocumentId(target_of(model) or ""),
        information_changed=bool(info.document_info) if info else False,
        receivers_changed=bool(info.document_receiver) if info else False,
        receivers_added=tuple(r.organ_id for r in receivers if r.added),
        receivers_removed=tuple(r.organ_id for r in receivers if not r.added),
        replaces=tuple((DocumentId(r.document_id), r.organ_ids) for r in model.business.replacements),
    )
