"""Webhooks as people and programs have them: made, changed, given another secret, paused, tried, told anew. In: a scope
and what is wanted. Out: the endpoint, its secret once, what became of events. What is told of an event, and that it is
signed and sent in one way, stands here too, for the worker and for a trial alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gateway import log, meters, tracing
from gateway.domain import feed, webhook
from gateway.domain.account import AgencyScope, ApiScope
from gateway.domain.event import EventKind
from gateway.domain.text import nfc
from gateway.domain.trace import Trace
from gateway.domain.wall_clock import local
from gateway.domain.webhook import (
    LONGEST_NOTE,
    LONGEST_OVERLAP_H,
    MOST_FILTERS,
    MOST_SECRETS,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    KeptSecret,
    PauseWhy,
    Reach,
    Try,
    TryCode,
)
from gateway.errors import BadForm, Clash, Denied, Misconfigured, NotFound, StaleVersion
from gateway.policy.upkeep import secret_end
from gateway.ports.services import Clock, Pool, Posted, Poster

if TYPE_CHECKING:
    from gateway.store.webhooks import SqlWebhooks
    from gateway.trust.sealing import SealedSecrets

_log = logging.getLogger(__name__)
EVERY_SCOPE = frozenset(feed.EVENT_SCOPES)
TRIAL = "webhook.test"
"""The type of a trial's body, which is no event and has no place in the sequence."""
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One signed body at an endpoint's address, in the trace of what it tells of, and how that went."""

    poster: Poster
    secrets: SealedSecrets
    clock: Clock
    pool: Pool

    async def send(self, endpoint: Endpoint, id: str, body: bytes, of: Trace | None) -> Try:
        at, began = self.clock.now(), time.perf_counter()
        try:
            signed = partial(self.secrets.headers, endpoint.id, endpoint.secrets, id, at, body)
            headers = await self.pool.run(signed)
        except Misconfigured as error:
            log.action(_log, "webhook.secret", str(error), webhook=endpoint.id)
            posted = Posted(code=TryCode.SECRET)
        else:
            posted = await self.poster.post(endpoint.url, body, {**headers, **tracing.headers(of)})
        took = time.perf_counter() - began
        meters.WEBHOOK_TRIED.add(code=posted.code.value)
        meters.WEBHOOK.took(took, code=posted.code.value)
        return Try(
            at=at,
            code=posted.code,
            status=posted.status,
            took_ms=round(took * 1000),
            said=webhook.cleaned(posted.answer),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEndpoint:
    """What is entered of a webhook. `scopes` are those of whoever makes it: it is told no more than that one may read.
    `after`: it begins behind that event of the agency; None: with what happens from now on."""

    url: str
    types: tuple[str, ...] = ()
    scopes: frozenset[ApiScope] = EVERY_SCOPE
    note: str = ""
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDesk:
    """`wake` calls the worker. `may`, of each act: the scopes of whoever does it; a webhook that is told more than those
    read is not theirs to change, for whoever turns it to another address reads what it is told."""

    rows: SqlWebhooks
    sender: Sender
    reach: Reach
    clock: Clock
    pool: Pool
    wake: Callable[[], None]

    async def listed(self, agency_id: str) -> Sequence[Endpoint]:
        return await self.rows.listed(agency_id)

    async def one(self, agency_id: str, id: str) -> Endpoint:
        """NotFound where the agency has none."""
        return await self.rows.get(agency_id, id)

    async def add(self, scope: AgencyScope, wanted: WantedEndpoint) -> tuple[str, Endpoint]:
        """The secret, which nobody can read again, and the endpoint. BadForm for an address, a type or a note that cannot
        be; Clash when the agency has as many as it may."""
        id, now = self.clock.new_id("whk_"), self.clock.now()
        types = _types(wanted.types)
        _refuse_unread(types, wanted.scopes)
        url, note = self._url(wanted.url), _note(wanted.note)
        newest = await self.rows.newest(scope.agency_id)
        secret, sealed = await self.pool.run(partial(self.sender.secrets.new, id))
        endpoint = Endpoint(
            id=id,
            agency_id=scope.agency_id,
            url=url,
            types=types,
            scopes=wanted.scopes & EVERY_SCOPE,
            note=note,
            secrets=(KeptSecret(sealed=sealed),),
            created_at=now,
            created_by=scope.principal_id,
            cursor=newest if wanted.after is None else min(wanted.after, newest),
        )
        await self.rows.add(scope, endpoint)
        self.wake()
        return secret, endpoint

    async def change(
        self,
        scope: AgencyScope,
        id: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        note: str | None = None,
        may: frozenset[ApiScope] = EVERY_SCOPE,
        version: int | None = None,
    ) -> Endpoint:
        """What is not named stays."""
        values = {
            "url": self._url(url) if url is not None else None,
            "types": _types(types) if types is not None else None,
            "note": _note(note) if note is not None else None,
        }
        given = {name: value for name, value in values.items() if value is not None}

        def changed(known: Endpoint) -> Endpoint:
            _refuse_unread(given.get("types", ()), _own(known, may).scopes)
            return replace(known, **given)  # type: ignore[arg-type]  # each is of its field's type

        return await self._changed(scope, id, changed, EventKind.WEBHOOK_CHANGED, version)

    async def rotate(
        self,
        scope: AgencyScope,
        id: str,
        overlap: timedelta = OVERLAP,
        *,
        may: frozenset[ApiScope] = EVERY_SCOPE,
    ) -> tuple[str, Endpoint]:
        """Another secret, shown once. What is sent meanwhile is signed with the one before too, so that the receiver
        changes over without a pause; no overlap at all is for one that somebody else has seen."""
        if not timedelta() <= overlap <= timedelta(hours=LONGEST_OVERLAP_H):
            raise BadForm(
                f"the overlap is at most {LONGEST_OVERLAP_H} hours", code="GW-HOOK-OVERLAP", field="overlap_h"
            )
        now = self.clock.now()
        secret, sealed = await self.pool.run(partial(self.sender.secrets.new, id))

        def rotated(known: Endpoint) -> Endpoint:
            earlier = [
                KeptSecret(sealed=each.sealed, until=secret_end(now, each.until, overlap))
                for each in _own(known, may).secrets
            ]
            good = [each for each in earlier if each.until is not None and now < each.until]
            return replace(known, secrets=(KeptSecret(sealed=sealed), *good[: MOST_SECRETS - 1]))

        return secret, await self._changed(scope, id, rotated, EventKind.WEBHOOK_ROTATED)

    async def pause(
        self,
        scope: AgencyScope,
        id: str,
        *,
        may: frozenset[ApiScope] = EVERY_SCOPE,
        version: int | None = None,
    ) -> Endpoint:
        """Nothing is sent any more; what happens meanwhile is told when it goes on."""
        now = self.clock.now()

        def paused(known: Endpoint) -> Endpoint:
            if _own(known, may).state is EndpointState.PAUSED:
                raise Clash("this webhook is paused already", code="GW-HOOK-PAUSED")
            return known.paused(PauseWhy.PERSON, now)

        return await self._changed(scope, id, paused, EventKind.WEBHOOK_PAUSED, version)

    async def resume(
        self,
        scope: AgencyScope,
        id: str,
        *,
        may: frozenset[ApiScope] = EVERY_SCOPE,
        version: int | None = None,
    ) -> Endpoint:
        """Goes on where it stopped: nothing of the pause is left out. One whose key has ended belongs to whoever lets it go
        on."""

        def resumed(known: Endpoint) -> Endpoint:
            if _own(known, may).state is EndpointState.ACTIVE:
                raise Clash("this webhook is not paused", code="GW-HOOK-ACTIVE")
            owner = scope.principal_id if known.paused_why is PauseWhy.KEY else known.created_by
            return replace(
                known, state=EndpointState.ACTIVE, paused_why=None, paused_at=None, created_by=owner
            )

        return await self._changed(scope, id, resumed, EventKind.WEBHOOK_RESUMED, version)

    async def remove(
        self,
        scope: AgencyScope,
        id: str,
        *,
        may: frozenset[ApiScope] = EVERY_SCOPE,
        version: int | None = None,
    ) -> None:
        _check_version(_own(await self.rows.get(scope.agency_id, id), may), version)
        await self.rows.remove(scope, id)

    async def test(
        self, scope: AgencyScope, id: str, code: str, *, may: frozenset[ApiScope] = EVERY_SCOPE
    ) -> Try:
        """Sends a body that is no event, now, and says what came of it; also to a webhook that is paused."""
        endpoint, now = _own(await self.rows.get(scope.agency_id, id), may), self.clock.now()
        event_id = self.clock.new_id("evt_")
        body = {
            "id": event_id,
            "type": TRIAL,
            "created_at": local(now).isoformat(timespec="seconds"),
            "agency": code,
            "sequence": 0,
            "subject": id,
            "data": {},
        }
        return await self.sender.send(endpoint, event_id, feed.to_bytes(body), tracing.at_hand())

    async def redeliver(
        self,
        scope: AgencyScope,
        id: str,
        sequences: Sequence[int] | None,
        *,
        may: frozenset[ApiScope] = EVERY_SCOPE,
    ) -> int:
        """These events are told anew, or all that were given up; how many. They keep their ids."""
        if _own(await self.rows.get(scope.agency_id, id), may).state is EndpointState.PAUSED:
            raise Clash("this webhook is paused: let it go on first", code="GW-HOOK-PAUSED")
        count = await self.rows.redeliver(scope, id, sequences)
        self.wake()
        return count

    async def log(
        self, agency_id: str, id: str, limit: int, *, before: int = 0, state: DeliveryState | None = None
    ) -> tuple[Sequence[Delivery], bool]:
        """Newest event first, and whether there are more; NotFound where the agency has no such webhook."""
        await self.rows.get(agency_id, id)
        found = await self.rows.log(agency_id, id, limit + 1, before=before, state=state)
        return found[:limit], len(found) > limit

    async def _changed(
        self,
        scope: AgencyScope,
        id: str,
        make: Callable[[Endpoint], Endpoint],
        told: EventKind,
        version: int | None = None,
    ) -> Endpoint:
        made = await self.rows.change(scope, id, make, told, version=version)
        self.wake()
        return made

    def _url(self, text: str) -> str:
        webhook.read_url(text, self.reach)
        return text.strip()


def sequence_in(text: str) -> int:
    """The sequence that an event's id or a number names. NotFound for what is neither."""
    bare = text.rpartition("-")[2] if text.startswith("evt_") else text
    if not (bare.isascii() and bare.isdigit() and len(bare) <= 18):
        raise NotFound(f"{text[:40]!r} is neither the id of an event nor its number")
    return int(bare)


def _own(known: Endpoint, may: frozenset[ApiScope]) -> Endpoint:
    if not known.scopes <= may:
        raise Denied("this webhook is told more than this key may read", code="GW-403-SCOPE")
    return known


def _refuse_unread(types: Sequence[str], scopes: frozenset[ApiScope]) -> None:
    """Denied for a type of events that nobody with these scopes reads: nothing of it would ever be sent."""
    if unread := feed.unread(types, scopes):
        raise Denied(f"this key may not read the events {', '.join(unread)}", code="GW-403-SCOPE")


def _check_version(known: Endpoint, version: int | None) -> None:
    if version is not None and version != known.version:
        raise StaleVersion(f"version {version} was named, the present version is {known.version}")


def _types(given: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(given))
    wrong = next((each for each in found if not feed.known_filter(each)), None)
    if wrong is not None or len(found) > MOST_FILTERS:
        raise BadForm(
            f"{wrong[:60]!r} is no type of events that programs read"
            if wrong is not None
            else f"a webhook has {MOST_FILTERS} types at most",
            code="GW-HOOK-TYPE",
            field="types",
            hint="name a type, or the beginning of some as message.*",
        )
    return found


def _note(given: str) -> str:
    note = " ".join(nfc(given).split())
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise BadForm(
            f"a note has at most {LONGEST_NOTE} characters on one line", code="GW-HOOK-NOTE", field="note"
        )
    return note
