"""Says whether an update, recall or replacement may be sent after a document (R70, R71). In: the change, its kind, the
document it acts on. Out: a `Verdict`. Pure; whether a request is still open is `domain.status.open_request`."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain.document import Change, DeliveryMode, Draft, Kind, OutgoingDocument, OutState
from gateway.domain.fields import CHANGE
from gateway.policy.texts import broken_fields, long_lists
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

_PARENTS = (Kind.DOCUMENT, Kind.REPLACEMENT)


def check_change(
    change: Change, kind: Kind, parent: OutgoingDocument, replacement: Draft | None = None
) -> Verdict:
    """Every rule the change breaks. `replacement` is the new draft when the kind carries one; its own rules are
    `policy.outgoing`'s."""
    reasons = [
        *broken_fields(CHANGE, change, wanted=_wanted(kind)),
        *long_lists(change),
        *_parent(change, parent),
    ]
    if kind is Kind.UPDATE:
        reasons += _update(change, parent)
    if replacement is not None and replacement.delivery_mode is DeliveryMode.PAPER:
        reasons.append(reason(ReasonCode.CHANGE_ON_PAPER, "/delivery_mode"))
    if kind is Kind.REPLACEMENT and replacement is not None:
        reasons += _replacement(replacement, parent)
    return Verdict(reasons=tuple(reasons))


def _wanted(kind: Kind) -> tuple[str, ...]:
    """A recall names the leader who approved it and the number of its notice (ND30 18.4b)."""
    return ("/approved_by", "/notice_no") if kind is Kind.RECALL else ()


def _parent(change: Change, parent: OutgoingDocument) -> Iterator[Reason]:
    if parent.kind not in _PARENTS:
        yield reason(ReasonCode.PARENT_IS_CHANGE, "", kind=parent.kind)
    if parent.state is OutState.PAPER:
        yield reason(ReasonCode.PARENT_ON_PAPER, "", document=parent.draft.code)
    elif parent.state is not OutState.PACKED:
        yield reason(ReasonCode.PARENT_NOT_SENT, "", state=parent.state)
    if change.target is not None and change.target != parent.document_id:
        yield reason(ReasonCode.TARGET_DIFFERS, "/target", given=change.target, expected=parent.document_id)


def _update(change: Change, parent: OutgoingDocument) -> Iterator[Reason]:
    if not change.information_changed and not change.receivers_changed:
        yield reason(ReasonCode.NOTHING_CHANGED, "")
    if change.receivers_changed and not (change.receivers_added or change.receivers_removed):
        yield reason(ReasonCode.MISSING, "/receivers_added", field="receivers_added")
    known = {recipient.code.casefold() for recipient in parent.draft.recipients}
    for n, code in enumerate(change.receivers_added):
        if code.casefold() in known:
            yield reason(ReasonCode.RECIPIENT_TWICE, f"/receivers_added/{n}", recipient=code)
    for n, code in enumerate(change.receivers_removed):
        if code.casefold() not in known:
            yield reason(ReasonCode.RECIPIENT_UNKNOWN, f"/receivers_removed/{n}", recipient=code, name="")


def _replacement(replacement: Draft, parent: OutgoingDocument) -> Iterator[Reason]:
    """A replacement is a document of its own; the same number and date would give it the DocumentId it replaces."""
    old = parent.draft
    if (replacement.code, replacement.issued_on) == (old.code, old.issued_on):
        yield reason(ReasonCode.REPLACES_ITSELF, "/number", document=old.code)
