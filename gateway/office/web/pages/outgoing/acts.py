"""What can be done to one outgoing document, and why something cannot be done now. In: what was found, what the person may
do. Out: one `Act` for each act of that person's rights, with its page or the reason in words. Pure; the flow asks again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.document import Delivery, Kind, OutState
from gateway.domain.status import fold_delivery, open_request
from gateway.office.domain.right import Manner, Right
from gateway.office.web.pages.outgoing.seen import Found

ISSUES = (Right.ISSUE, (Manner.YES,))
RECALLS = (Right.RECALL, (Manner.RECORDED,))
URGES = (Right.URGE, (Manner.YES,))
PRINTS = (Right.SEE_CONTENT, (Manner.YES, Manner.OWN))
# Of these the same bytes may go once more; the others have them, or have turned them down.
AGAIN = frozenset({"failed", "sent", "sending", "delivered"})
_GONE = frozenset({"cancelled", "paper", "rejected", "request_agreed"})
_NEVER_LEFT = frozenset({"queued", "sending", "failed", "cancelled", "paper"})
_WHOLE = (Kind.DOCUMENT, Kind.REPLACEMENT)
_OPEN = frozenset({"recall_asked", "take_back_asked", "update_asked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """`why` is the key of the reason against it; empty where it can be done. `letter` is the key that opens its page."""

    key: str
    path: str
    why: str = ""
    letter: str = ""


def acts(found: Found, now: datetime, may: Callable[[Right, Collection[Manner]], bool]) -> tuple[Act, ...]:
    """In the order of the page. What the person has no right to is left out."""
    made = (
        (ISSUES, Act(key="resend", path=f"{found.path}/gui-lai", why=no_resend(found), letter="r")),
        (ISSUES, Act(key="anew", path=f"{found.path}/sua-lai", why=no_anew(found))),
        (ISSUES, Act(key="further", path=f"{found.path}/gui-them", why=no_further(found))),
        (URGES, Act(key="urge", path=f"{found.path}/don-doc", why=no_urging(found, now))),
        (RECALLS, Act(key="recall", path=f"{found.path}/thu-hoi", why=no_recall(found))),
        (RECALLS, Act(key="update", path=f"/phat-hanh?cap-nhat={found.document.id}", why=no_update(found))),
        (RECALLS, Act(key="replace", path=f"/phat-hanh?thay-the={found.document.id}", why=no_change(found))),
        (
            RECALLS,
            Act(key="correct", path=f"/phat-hanh?dinh-chinh={found.document.id}", why=no_change(found)),
        ),
        (ISSUES, Act(key="cancel", path=f"{found.path}/huy-gui", why=no_cancel(found))),
        (PRINTS, Act(key="slip", path=f"{found.path}/phieu-gui", why=no_slip(found))),
    )
    fitting = (each for each in made if each[1].key != "anew" or not each[1].why)
    return tuple(act for (right, manners), act in fitting if may(right, manners))


def no_resend(found: Found) -> str:
    if why := _not_away(found):
        return why
    if not resendable(found):
        states = {each.state for each in found.deliveries}
        return "outgoing.why.all_gone" if states <= _GONE else "outgoing.why.all_have_it"
    return ""


def resendable(found: Found) -> Sequence[Delivery]:
    return [each for each in found.deliveries if each.state in AGAIN]


def no_anew(found: Found) -> str:
    """Only there where somebody refused it."""
    refused = any(each.state == "rejected" for each in found.deliveries)
    return _not_away(found) if refused else "outgoing.why.nobody_refused"


def no_further(found: Found) -> str:
    return _not_away(found)


def no_urging(found: Found, now: datetime) -> str:
    return "" if late(found, now) else "outgoing.why.nobody_late"


def late(found: Found, now: datetime) -> Sequence[Delivery]:
    return [each for each in found.deliveries if found.is_late(each, now)]


def no_recall(found: Found) -> str:
    document = found.document
    if document.kind not in _WHOLE:
        return "outgoing.why.part"
    if document.state is not OutState.PACKED:
        return "outgoing.why.not_left"
    if not recallable(found):
        if any(each.state in _OPEN for each in found.deliveries):
            return "outgoing.why.request_open"
        return "outgoing.why.not_left" if _all(found, _NEVER_LEFT) else "outgoing.why.all_gone"
    return ""


def recallable(found: Found) -> Sequence[Delivery]:
    """Whom a recall may ask: who has it, and has no other request to answer."""
    return [
        each
        for each in found.deliveries
        if each.state not in _NEVER_LEFT | _OPEN | {"request_agreed", "rejected"}
        and not _is_asked(found, each)
    ]


def no_update(found: Found) -> str:
    if why := no_change(found):
        return why
    return "outgoing.why.request_open" if any(each.state in _OPEN for each in found.deliveries) else ""


def no_change(found: Found) -> str:
    return _not_away(found)


def no_cancel(found: Found) -> str:
    state = found.document.state
    if state is OutState.CANCELLED:
        return "outgoing.why.cancelled"
    if state in (OutState.DRAFT, OutState.BLOCKED):
        return ""
    if any(each.state not in ("queued", "failed", "paper") for each in found.deliveries):
        return "outgoing.why.on_axis"
    return ""


def no_slip(found: Found) -> str:
    if found.document.is_sealed:
        return "outgoing.why.sealed"
    return "outgoing.why.draft" if found.document.state is OutState.DRAFT else ""


def _not_away(found: Found) -> str:
    document = found.document
    if document.is_sealed:
        return "outgoing.why.sealed"
    if document.kind not in _WHOLE:
        return "outgoing.why.part"
    return "" if document.state is OutState.PACKED else "outgoing.why.not_sent"


def _all(found: Found, states: Collection[str]) -> bool:
    return all(each.state in states for each in found.deliveries)


def _is_asked(found: Found, delivery: Delivery) -> bool:
    return open_request(fold_delivery(found.facts.get(delivery.id, ()))) is not None
