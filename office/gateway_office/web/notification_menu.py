"""The menu of notifications in the frame. In: the request, and its person's settings. Out: news that concern the person's
post, are not muted and are no act of the person, the newest first; people who see no content get none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_office.domain.notice import NotificationSettings, Ring, RingKind, SubjectKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.web.request_context import RequestContext

BELL_PATH = "/thong-bao"
RINGS_IN_FRAME = 6
SUBJECT_PATHS: Mapping[SubjectKind, str] = {
    SubjectKind.INCOMING: "/van-ban-den/{id}",
    SubjectKind.OUTGOING: "/van-ban-di/{id}",
    SubjectKind.AGENCY: "/co-quan/{id}",
    SubjectKind.PACKET: "/van-hanh/cach-ly/{id}",
}
_OWN_KINDS = (
    RingKind.ASSIGNED,
    RingKind.COMMENT,
    RingKind.FOLLOW,
    RingKind.RECALL,
    RingKind.DUE,
    RingKind.RETURNED,
    RingKind.FAILED,
)
_ALL_KINDS = (
    RingKind.URGENT,
    RingKind.DUE,
    RingKind.RECALL,
    RingKind.RETURNED,
    RingKind.FAILED,
    RingKind.SILENT,
    RingKind.COMMENT,
    RingKind.FOLLOW,
)
# News about the clerk's tasks reach others when they turn them on.
_MUTED_AT_FIRST = frozenset({RingKind.RETURNED, RingKind.FAILED, RingKind.RECALL, RingKind.SILENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRing:
    ring: Ring
    words: str
    path: str
    is_unread: bool

    @property
    def title(self) -> str:
        """Return what it is about, else what has happened."""
        return self.ring.title or self.words

    @property
    def subject(self) -> str:
        words = self.words if self.ring.title else ""
        return " · ".join(filter(None, (words, self.ring.document, self.ring.party)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BellMenu:
    """`rings` are all, `unread` counts those that were not read; `aloud` is the newest unread one to be heard."""

    rings: tuple[ShownRing, ...]
    kinds: tuple[RingKind, ...]
    muted: frozenset[RingKind]

    @property
    def unread(self) -> int:
        return sum(ring.is_unread for ring in self.rings)

    @property
    def aloud(self) -> ShownRing | None:
        return next((r for r in self.rings if r.is_unread and r.ring.is_express), None)


def bell_kinds(request: RequestContext) -> tuple[RingKind, ...]:
    """List the kinds of news that this person may get here; none for a person without a bell."""
    if request.acting is None or request.agency is None or request.acting.duties:
        return ()
    if request.may(Right.SEE_CONTENT, Manner.OWN):
        return _OWN_KINDS
    if not request.may(Right.SEE_CONTENT, Manner.YES):
        return ()
    leads = (RingKind.APPROVAL,) if request.may(Right.INSTRUCT, Manner.YES) else ()
    return (*leads, *_ALL_KINDS, *((RingKind.SET_ASIDE,) if _takes(request) else ()))


async def bell_of(request: RequestContext, *, fresh: bool = False) -> BellMenu | None:
    """Make this person's bell; None for a person who has none. With `fresh` the settings are read from the database."""
    kinds = bell_kinds(request)
    if not kinds:
        return None
    board, scope = request.deps.rings, request.scope()
    services = await board.services(scope, fresh=fresh)
    if request.may(Right.SEE_CONTENT, Manner.OWN):
        share = request.share_of(Right.SEE_CONTENT)
        all_rings = [*await board.of_share(scope, share), *await board.of_comments(scope, share)]
    else:
        all_rings = [*await board.of_agency(scope), *await board.of_comments(scope, None)]
    muted = _muted_by(request, services)
    rings = [
        ring
        for ring in all_rings
        if ring.kind in kinds and ring.kind not in muted and ring.by != scope.principal_id
    ]
    return BellMenu(rings=_shown_rings(request, services, rings), kinds=kinds, muted=muted)


def _muted_by(request: RequestContext, settings: NotificationSettings) -> frozenset[RingKind]:
    if settings.muted is not None:
        return settings.muted
    return frozenset() if _takes(request) or request.may(Right.SEE_CONTENT, Manner.OWN) else _MUTED_AT_FIRST


def bell_news(request: RequestContext, bell: BellMenu) -> dict[str, object]:
    """Make the news for an open page: how many, and a sentence to say aloud; which letter, and nothing of its subject."""
    aloud = bell.aloud
    if aloud is None:
        return {"count": bell.unread}
    sentence = request.say("bell.aloud", document=aloud.ring.document, party=aloud.ring.party)
    return {"count": bell.unread, "aloud": {"id": aloud.ring.id, "says": sentence, "path": aloud.path}}


async def bell_choice(request: RequestContext) -> dict[RingKind, bool]:
    """Return for each kind whether this person gets it; empty for a person without a bell."""
    kinds = bell_kinds(request)
    if not kinds:
        return {}
    muted = _muted_by(request, await request.deps.rings.services(request.scope(), fresh=True))
    return {kind: kind not in muted for kind in kinds}


def _takes(request: RequestContext) -> bool:
    return request.may(Right.TAKE_IN, Manner.YES)


def _shown_rings(
    request: RequestContext, settings: NotificationSettings, rings: Sequence[Ring]
) -> tuple[ShownRing, ...]:
    return tuple(
        ShownRing(
            ring=ring,
            words=request.say(ring.says),
            path=SUBJECT_PATHS[ring.subject_kind].format(id=ring.subject_id),
            is_unread=settings.is_unread(ring),
        )
        for ring in rings
    )
