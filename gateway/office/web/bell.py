"""The bell in the frame of every page: what this person is told of, with words and a way to it. In: a visit. Out: rings of
the kinds that concern the person's post, were not put off and are no act of the person, the newest first, each read or not;
what is to be said aloud. Whoever sees no content is told nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.office.domain.notice import About, OwnDesk, Ring, RingKind
from gateway.office.domain.roles import Manner, Right

if TYPE_CHECKING:
    from gateway.office.web.visits import Visit

PATH = "/thong-bao"
IN_FRAME = 6
PATHS: Mapping[About, str] = {
    About.INCOMING: "/van-ban-den/{id}",
    About.OUTGOING: "/van-ban-di/{id}",
    About.AGENCY: "/co-quan/{id}",
    About.PACKET: "/van-hanh/cach-ly/{id}",
}
_OWN = (RingKind.GIVEN, RingKind.RECALL, RingKind.DUE, RingKind.RETURNED, RingKind.FAILED)
_ALL = (
    *(RingKind.URGENT, RingKind.DUE, RingKind.RECALL),
    *(RingKind.RETURNED, RingKind.FAILED, RingKind.SILENT),
)
# What is the clerk's to do reaches others when they ask for it.
_AT_FIRST = frozenset({RingKind.RETURNED, RingKind.FAILED, RingKind.RECALL, RingKind.SILENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRing:
    ring: Ring
    words: str
    path: str
    is_unread: bool

    @property
    def what(self) -> str:
        return " · ".join(filter(None, (self.ring.document, self.ring.party)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bell:
    """`rings` are all, `unread` counts those that were not read; `aloud` is the newest unread one to be heard."""

    rings: tuple[ShownRing, ...]
    kinds: tuple[RingKind, ...]
    muted: frozenset[RingKind]

    @property
    def unread(self) -> int:
        return sum(each.is_unread for each in self.rings)

    @property
    def aloud(self) -> ShownRing | None:
        return next((each for each in self.rings if each.is_unread and each.ring.is_express), None)


def kinds_of(visit: Visit) -> tuple[RingKind, ...]:
    """Of what this person may be told here; nothing for who has no bell."""
    if visit.acting is None or visit.agency is None or visit.acting.duties:
        return ()
    if visit.may(Right.SEE_CONTENT, Manner.OWN):
        return _OWN
    if not visit.may(Right.SEE_CONTENT, Manner.YES):
        return ()
    leads = (RingKind.APPROVAL,) if visit.may(Right.INSTRUCT, Manner.YES) else ()
    return (*leads, *_ALL, *((RingKind.ASIDE,) if _takes(visit) else ()))


async def of(visit: Visit, *, anew: bool = False) -> Bell | None:
    """None for who has no bell."""
    kinds = kinds_of(visit)
    if not kinds:
        return None
    board, scope = visit.deps.rings, visit.scope()
    desk = await board.desk(scope, anew=anew)
    if visit.may(Right.SEE_CONTENT, Manner.OWN):
        found = await board.of_unit(scope, visit.person.require(Right.SEE_CONTENT).unit)
    else:
        found = await board.of_agency(scope)
    muted = muted_by(visit, desk)
    told = [
        ring
        for ring in found
        if ring.kind in kinds and ring.kind not in muted and ring.by != scope.principal_id
    ]
    return Bell(rings=_shown(visit, desk, told), kinds=kinds, muted=muted)


def muted_by(visit: Visit, desk: OwnDesk) -> frozenset[RingKind]:
    if desk.muted is not None:
        return desk.muted
    return frozenset() if _takes(visit) or visit.may(Right.SEE_CONTENT, Manner.OWN) else _AT_FIRST


def news(visit: Visit, bell: Bell) -> dict[str, object]:
    """What an open page is told: how many, and what is to be said aloud; which letter, and nothing of what it is about."""
    aloud = bell.aloud
    if aloud is None:
        return {"count": bell.unread}
    said = visit.say("bell.aloud", document=aloud.ring.document, party=aloud.ring.party)
    return {"count": bell.unread, "aloud": {"id": aloud.ring.id, "says": said, "path": aloud.path}}


async def choice(visit: Visit) -> dict[RingKind, bool]:
    """Of each kind whether this person is told; empty for who has no"""
    kinds = kinds_of(visit)
    if not kinds:
        return {}
    muted = muted_by(visit, await visit.deps.rings.desk(visit.scope(), anew=True))
    return {each: each not in muted for each in kinds}


def _takes(visit: Visit) -> bool:
    return visit.may(Right.TAKE_IN, Manner.YES)


def _shown(visit: Visit, desk: OwnDesk, told: Sequence[Ring]) -> tuple[ShownRing, ...]:
    return tuple(
        ShownRing(
            ring=each,
            words=visit.say(each.says),
            path=PATHS[each.about].format(id=each.subject_id),
            is_unread=desk.is_unread(each),
        )
        for each in told
    )
