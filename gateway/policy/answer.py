"""What the node answers by itself, and when it stays silent (interfaces.md 1.5). In: how a packet ended, and whether
its sender is proved. Out: status codes to send, in order. Pure; every other status comes from a person."""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.document import Kind
from gateway.policy.profile import Profile


class Ending(StrEnum):
    """How a packet ended with us that was stored; of the others nothing is said, or the refusal that the rules name."""

    ADMITTED = "admitted"
    HELD = "held"
    WAITING = "waiting"


def answers(
    kind: Kind,
    ending: Ending,
    profile: Profile,
    *,
    authenticated: bool,
    taken_in: bool = False,
) -> tuple[str, ...]:
    """Codes to send now. A sender not proved gets nothing (A7), nor does a status. `taken_in` says whether the document
    that a recall acts on was taken in (03)."""
    if not authenticated or kind is Kind.STATUS:
        return ()
    arrived = ("01",) if profile.answer_arrived else ()
    agrees = kind is Kind.RECALL and ending is Ending.ADMITTED and not taken_in and profile.auto_recall_15
    return (*arrived, "15") if agrees else arrived


def answers_refusal(reason: str, profile: Profile) -> bool:
    """Whether this refusal goes out by itself; when it does not, the packet is held for the clerk."""
    switches = {
        "DAMAGED": profile.answer_damaged,
        "WRONG_ADDRESSEE": profile.answer_wrong_addressee,
        "MALWARE": profile.answer_malware,
    }
    return switches.get(reason, False)
