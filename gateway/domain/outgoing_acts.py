"""The one table of what may be done with an outgoing document: its standing, by its own state and those of its
deliveries, against each act. In: a standing and an act. Out: the reason against the act, empty where it may be done. Use
cases refuse by it, and pages offer by it. States of single recipients decide further, where an act is for some of them.
Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.states import ASKED_BACK, State, is_given_back

_DRAFTS = (OutState.DRAFT, OutState.BLOCKED)

_DRAFTS = (OutState.DRAFT, OutState.BLOCKED)


class Standing(StrEnum):
    """Standing of an outgoing document towards acts on it. The first that fits counts."""

    SEALED = "sealed"
    CANCELLED = "cancelled"
    DRAFT = "draft"
    PART = "part"
    """An update or a recall of another document."""
    RECALL_OPEN = "recall_open"
    RECALLED = "recalled"
    """Every recipient that had it has agreed to give it back."""
    PAPER = "paper"
    UNPACKED = "unpacked"
    """Its packet could not be made, and it was given up for every recipient."""
    QUEUED = "queued"
    PACKED = "packed"


class Act(StrEnum):
    RESEND = "resend"
    CORRECT = "correct"
    """Begin a corrected document for the recipients that refused it."""
    ADD_RECIPIENTS = "further"
    """Send it to further recipients."""
    URGE = "urge"
    REPLACE = "replace"
    UPDATE = "update"
    RECALL = "recall"
    CANCEL = "cancel"
    SLIP = "slip"


_CHANGES = (Act.RESEND, Act.CORRECT, Act.ADD_RECIPIENTS, Act.REPLACE, Act.UPDATE)
_TABLE: Mapping[Standing, Mapping[Act, str]] = {
    Standing.SEALED: {**dict.fromkeys(_CHANGES, "sealed"), Act.SLIP: "sealed"},
    Standing.CANCELLED: {**dict.fromkeys(_CHANGES, "cancelled"), Act.CANCEL: "cancelled"},
    Standing.DRAFT: {**dict.fromkeys(_CHANGES, "not_sent"), Act.RECALL: "not_left", Act.SLIP: "draft"},
    Standing.PART: {**dict.fromkeys((*_CHANGES[1:], Act.RECALL), "part")},
    Standing.RECALL_OPEN: {**dict.fromkeys((*_CHANGES, Act.URGE), "recall_open"), Act.CANCEL: "on_axis"},
    Standing.RECALLED: {
        **dict.fromkeys((Act.RESEND, Act.CORRECT, Act.ADD_RECIPIENTS, Act.UPDATE, Act.URGE), "recalled"),
        Act.CANCEL: "on_axis",
    },
    Standing.PAPER: {**dict.fromkeys(_CHANGES, "not_sent"), Act.RECALL: "not_left"},
    Standing.UNPACKED: {**dict.fromkeys(_CHANGES[1:], "not_sent"), Act.RECALL: "not_left"},
    Standing.QUEUED: {**dict.fromkeys(_CHANGES, "not_sent"), Act.RECALL: "not_left"},
    Standing.PACKED: {},
}


def objection(standing: Standing, act: Act) -> str:
    """Return the word of the reason against the act; empty where the document's state allows it."""
    return _TABLE[standing].get(act, "")


def standing_of(document: OutgoingDocument, states: Collection[str]) -> Standing:
    """Return the standing of a document whose deliveries have these states."""
    if document.is_sealed:
        return Standing.SEALED
    if not document.kind.is_whole and document.state not in (*_DRAFTS, OutState.CANCELLED):
        return Standing.PART
    return standing_by_states(document.state, states)


def standing_by_states(own: OutState, states: Collection[str]) -> Standing:
    """Return the standing of a whole document that is not sealed."""
    if own in _DRAFTS:
        return Standing.DRAFT
    if own is OutState.CANCELLED:
        return Standing.CANCELLED
    if not ASKED_BACK.isdisjoint(states):
        return Standing.RECALL_OPEN
    if is_given_back(states):
        return Standing.RECALLED
    if own is OutState.QUEUED and {*states} == {State.FAILED}:
        return Standing.UNPACKED
    return Standing(own.value)
