"""Webhooks, for people and programs: add, change, rotate the secret, pause, resume, test, redeliver. In: a scope and the
input. Out: the endpoint, its secret once, the deliveries. `Sender` signs and sends the bodies, for the worker and for
tests alike."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gateway import log, meters, time_source, tracing
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
    DeliveryState,
    Endpoint,
    EndpointState,
    KeptSecret,
    PauseWhy,
    Reach,
    Try,
    TryCode,
    WebhookDelivery,
)
from gateway.errors import BadForm, Clash, Denied, Misconfigured, NotFound, StaleVersion
from gateway.policy.upkeep import secret_end
from gateway.ports.services import Clock, Pool, Posted, Poster

if TYPE_CHECKING:
    from gateway.store.webhooks import SqlWebhooks
    from gateway.trust.sealing import SealedSecrets

_log = logging.getLogger(__name__)
Scopes = frozenset[ApiScope]
EVERY_SCOPE: Scopes = frozenset(feed.EVENT_SCOPES)
TRIAL = "webhook.test"
"""The type of a trial's body, which is no event and has no place in the sequence."""
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sender of one signed body to the address of an endpoint, in the trace of its event."""

    poster: Poster
    secrets: SealedSecrets
    clock: Clock
    pool: Pool

    async def send(self, endpoint: Endpoint, id: str, body: bytes, trace: Trace | None) -> Try:
        """Sign the body, post it and return the result; a missing secret is a result too, not an error."""
        at, started = self.clock.now(), time_source.monotonic()
        try:
            signed = partial(self.secrets.headers, endpoint.id, endpoint.secrets, id, at, body)
            headers = await self.pool.run(signed)
        except Misconfigured as error:
            log.action(_log, "webhook.secret", str(error), webhook=endpoint.id)
            posted = Posted(code=TryCode.SECRET)
        else:
            posted = await self.poster.post(endpoint.url, body, {**headers, **tracing.headers(trace)})
        duration_s = time_source.monotonic() - started
        meters.WEBHOOK_TRIED.add(code=posted.code.value)
        meters.WEBHOOK.observe(duration_s, code=posted.code.value)
        return Try(
            at=at,
            code=posted.code,
            status=posted.status,
            took_ms=round(duration_s * 1000),
            said=webhook.cleaned(posted.answer),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """Input for a new webhook. It gets only events that its creator may read (`scopes`). `start_after`: it starts after
    that event of the agency; None: with future events."""

    url: str
    types: tuple[str, ...] = ()
    scopes: Scopes = EVERY_SCOPE
    note: str = ""
    start_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookService:
    """Service for webhooks. `wake` wakes the worker. In each method `may` are the caller's scopes: a webhook with
    further scopes cannot be changed by the caller, who could otherwise redirect its events and read them."""

    rows: SqlWebhooks
    sender: Sender
    reach: Reach
    clock: Clock
    pool: Pool
    wake: Callable[[], None]

    async def list(self, agency_id: str) -> Sequence[Endpoint]:
        return await self.rows.list_endpoints(agency_id)

    async def get(self, agency_id: str, id: str) -> Endpoint:
        """Return a webhook; raise NotFound where the agency has none with that id."""
        return await self.rows.get(agency_id, id)

    async def add(self, scope: AgencyScope, new_webhook: NewWebhook) -> tuple[str, Endpoint]:
        """Add a webhook; return its secret, which cannot be read again, and the endpoint. Raise BadForm for an invalid
        address, type or note, Clash when the agency has as many webhooks as allowed."""
        id, now = self.clock.new_id("whk_"), self.clock.now()
        types = _read_types(new_webhook.types)
        _refuse_unread(types, new_webhook.scopes)
        url, note = self._url(new_webhook.url), _read_note(new_webhook.note)
        newest = await self.rows.newest(scope.agency_id)
        secret, sealed = await self.pool.run(partial(self.sender.secrets.new, id))
        endpoint = Endpoint(
            id=id,
            agency_id=scope.agency_id,
            url=url,
            types=types,
            scopes=new_webhook.scopes & EVERY_SCOPE,
            note=note,
            secrets=(KeptSecret(sealed=sealed),),
            created_at=now,
            created_by=scope.principal_id,
            cursor=newest if new_webhook.start_after is None else min(new_webhook.start_after, newest),
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
        may: Scopes = EVERY_SCOPE,
        version: int | None = None,
    ) -> Endpoint:
        """Change the given values of a webhook and return it; the others stay."""
        new_values = {
            "url": self._url(url) if url is not None else None,
            "types": _read_types(types) if types is not None else None,
            "note": _read_note(note) if note is not None else None,
        }
        changes = {name: v for name, v in new_values.items() if v is not None}

        def changed(current_endpoint: Endpoint) -> Endpoint:
            _refuse_unread(changes.get("types", ()), current_endpoint.scopes)
            return replace(current_endpoint, **changes)  # type: ignore[arg-type]  # each is of its field's type

        return await self._change_row(scope, id, changed, EventKind.WEBHOOK_CHANGED, may, version)

    async def rotate(
        self, scope: AgencyScope, id: str, overlap: timedelta = OVERLAP, *, may: Scopes = EVERY_SCOPE
    ) -> tuple[str, Endpoint]:
        """Make a new secret, return it once, and the endpoint. Until the overlap ends bodies are signed with the earlier
        secret too, so that the receiver can change over without a pause; a leaked secret needs zero overlap."""
        if not timedelta() <= overlap <= timedelta(hours=LONGEST_OVERLAP_H):
            raise BadForm(
                f"the overlap is at most {LONGEST_OVERLAP_H} hours", code="GW-HOOK-OVERLAP", field="overlap_h"
            )
        now = self.clock.now()
        secret, sealed = await self.pool.run(partial(self.sender.secrets.new, id))

        def rotated(endpoint: Endpoint) -> Endpoint:
            earlier = [
                KeptSecret(sealed=s.sealed, until=secret_end(now, s.until, overlap)) for s in endpoint.secrets
            ]
            valid = [s for s in earlier if s.until is not None and now < s.until]
            return replace(endpoint, secrets=(KeptSecret(sealed=sealed), *valid[: MOST_SECRETS - 1]))

        return secret, await self._change_row(scope, id, rotated, EventKind.WEBHOOK_ROTATED, may)

    async def pause(
        self, scope: AgencyScope, id: str, *, may: Scopes = EVERY_SCOPE, version: int | None = None
    ) -> Endpoint:
        """Stop sending; events that occur meanwhile are sent after the pause."""
        now = self.clock.now()

        def paused(endpoint: Endpoint) -> Endpoint:
            if endpoint.state is EndpointState.PAUSED:
                raise Clash("this webhook is paused already", code="GW-HOOK-PAUSED")
            return endpoint.paused(PauseWhy.PERSON, now)

        return await self._change_row(scope, id, paused, EventKind.WEBHOOK_PAUSED, may, version)

    async def resume(
        self, scope: AgencyScope, id: str, *, may: Scopes = EVERY_SCOPE, version: int | None = None
    ) -> Endpoint:
        """Continue after the last event that was sent; events of the pause are sent too. A webhook that was paused
        because its API key had ended then belongs to the caller."""

        def resumed(endpoint: Endpoint) -> Endpoint:
            if endpoint.state is EndpointState.ACTIVE:
                raise Clash("this webhook is not paused", code="GW-HOOK-ACTIVE")
            owner = scope.principal_id if endpoint.paused_why is PauseWhy.KEY else endpoint.created_by
            return replace(
                endpoint, state=EndpointState.ACTIVE, paused_why=None, paused_at=None, created_by=owner
            )

        return await self._change_row(scope, id, resumed, EventKind.WEBHOOK_RESUMED, may, version)

    async def remove(
        self, scope: AgencyScope, id: str, *, may: Scopes = EVERY_SCOPE, version: int | None = None
    ) -> None:
        endpoint = await self._load_permitted(scope, id, may)
        if version is not None and version != endpoint.version:
            raise StaleVersion(f"version {version} was named, the present version is {endpoint.version}")
        await self.rows.remove(scope, id)

    async def test(self, scope: AgencyScope, id: str, code: str, *, may: Scopes = EVERY_SCOPE) -> Try:
        """Send a test body, which is no event, at once and return the result; a paused webhook can be tested too."""
        endpoint, now = await self._load_permitted(scope, id, may), self.clock.now()
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
        return await self.sender.send(endpoint, event_id, feed.to_bytes(body), tracing.current_trace())

    async def redeliver(
        self, scope: AgencyScope, id: str, sequences: Sequence[int] | None, *, may: Scopes = EVERY_SCOPE
    ) -> int:
        """Queue these events again, or all that were given up, under the same ids; return how many."""
        if (await self._load_permitted(scope, id, may)).state is EndpointState.PAUSED:
            raise Clash("this webhook is paused: let it go on first", code="GW-HOOK-PAUSED")
        count = await self.rows.redeliver(scope, id, sequences)
        self.wake()
        return count

    async def log(
        self,
        agency_id: str,
        id: str,
        limit: int,
        *,
        before_sequence: int = 0,
        state: DeliveryState | None = None,
    ) -> tuple[Sequence[WebhookDelivery], bool]:
        """Return the newest deliveries first, and whether there are more; raise NotFound for an unknown webhook."""
        await self.rows.get(agency_id, id)
        rows = await self.rows.log(agency_id, id, limit + 1, before_sequence=before_sequence, state=state)
        return rows[:limit], len(rows) > limit

    async def _load_permitted(self, scope: AgencyScope, id: str, may: Scopes) -> Endpoint:
        return _check_scopes(await self.rows.get(scope.agency_id, id), may)

    async def _change_row(
        self,
        scope: AgencyScope,
        id: str,
        make: Callable[[Endpoint], Endpoint],
        event_kind: EventKind,
        may: Scopes,
        version: int | None = None,
    ) -> Endpoint:
        endpoint = await self.rows.change(
            scope, id, lambda row: make(_check_scopes(row, may)), event_kind, version=version
        )
        self.wake()
        return endpoint

    def _url(self, text: str) -> str:
        webhook.read_url(text, self.reach)
        return text.strip()


def parse_sequence(text: str) -> int:
    """Return the sequence number in an event's id, or the number itself; raise NotFound for any other text."""
    digits = text.rpartition("-")[2] if text.startswith("evt_") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise NotFound(f"{text[:40]!r} is neither the id of an event nor its number")
    return int(digits)


def _check_scopes(endpoint: Endpoint, may: Scopes) -> Endpoint:
    if not endpoint.scopes <= may:
        raise Denied("this webhook is told more than this key may read", code="GW-403-SCOPE")
    return endpoint


def _refuse_unread(types: Sequence[str], scopes: Scopes) -> None:
    """Raise Denied for event types that these scopes may not read, because they would never be sent."""
    if unread := feed.unread(types, scopes):
        raise Denied(f"this key may not read the events {', '.join(unread)}", code="GW-403-SCOPE")


def _read_types(texts: Sequence[str]) -> tuple[str, ...]:
    types = tuple(dict.fromkeys(texts))
    unknown = next((t for t in types if not feed.known_filter(t)), None)
    if unknown is not None or len(types) > MOST_FILTERS:
        raise BadForm(
            f"{unknown[:60]!r} is no type of events that programs read"
            if unknown is not None
            else f"a webhook has {MOST_FILTERS} types at most",
            code="GW-HOOK-TYPE",
            field="types",
            hint="name a type, or the beginning of some as message.*",
        )
    return types


def _read_note(text: str) -> str:
    note = " ".join(nfc(text).split())
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise BadForm(
            f"a note has at most {LONGEST_NOTE} characters on one line", code="GW-HOOK-NOTE", field="note"
        )
    return note
