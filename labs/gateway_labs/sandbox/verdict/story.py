"""The story that tries a program: documents of a robot with a part for each, then webhooks of every kind. In: a
trial. Out: packets on the axis, calls to the program's webhook, a trial that has ended. It goes on when the program took
the step before, and gives up where no step comes."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway import random_source, time_source
from gateway.domain import feed
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.domain.webhook import Endpoint, EndpointState
from gateway.webhooks import WebhookService
from gateway_labs.sandbox import cast as casts
from gateway_labs.sandbox.hall import Hall
from gateway_labs.sandbox.verdict.points import POINTS, UNSEEN
from gateway_labs.sandbox.verdict.trial import Cue, Trial
from gateway_labs.sandbox.verdict.watch import UNKNOWN_FIELD, UNKNOWN_TYPE, CallWatch

_log = logging.getLogger(__name__)
ROBOT = "T00.SILENT"
# Documents in their order, with the act that follows at once.
_REQUESTS = {Cue.RECALLED: casts.RECALL, Cue.UPDATED: casts.UPDATE}
_DOCUMENTS = dict.fromkeys(
    (Cue.PLAIN, Cue.DAMAGED, Cue.CUT, Cue.MISSING, Cue.STRANGE_ITEM, Cue.REFUSED), ""
) | {**_REQUESTS, Cue.LAST: ""}
# Far older than any program may believe.
_STALE, _NOW = timedelta(hours=1), timedelta()
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    hall: Hall
    watch: CallWatch
    webhooks: WebhookService

    async def play(self, trial: Trial) -> None:
        try:
            await self._send_documents(trial)
            await trial.wait(lambda: trial.last_ack is not None)
            await self._call_webhook(trial)
            if any(call.path == "/events" for call in trial.calls):
                await trial.wait(lambda: POINTS["cursor_410"](trial) != UNSEEN)
        except Exception:  # the guard of this task: a story that broke must not end the sandbox
            _log.exception("a trial broke", extra={"action": "verdict.broke", "key": trial.name})
        finally:
            trial.has_ended = True

    async def _send_documents(self, trial: Trial) -> None:
        robot, trial_id = self.hall.cast.robots[ROBOT], _new_id("")[-6:]
        for part, act in _DOCUMENTS.items():
            text = "refuse_me" if part is Cue.REFUSED else "tried"
            subject = self.hall.cast.says(text, part=part.value, trial=trial_id)
            trial.parts[subject] = part
            if part is Cue.LAST:
                # The node admits requests in its own time; the program is to have them before the last document.
                await trial.wait(lambda: len(trial.requests) == len(_REQUESTS))
            to = {"to": trial.agency.code}
            sent = await self.hall.act(robot, to | {"what": casts.DOCUMENT, "subject": subject})
            if act:
                await self.hall.act(robot, to | {"what": act, "about": sent["document_id"]})

    async def _call_webhook(self, trial: Trial) -> None:
        endpoints = await self.webhooks.rows.made_by(trial.program)
        mine = [e for e in endpoints if e.agency_id == trial.agency.id and e.state is EndpointState.ACTIVE]
        if not mine:
            return
        endpoint = mine[-1]
        call = partial(self._call, trial, endpoint)
        await call(Cue.FORGED, _new_id("inb_"))
        await call(Cue.STALE, _new_id("inb_"), ago=_STALE)
        await call(Cue.STRANGE_HOOK, _new_id("inb_"))
        plain, last, id = trial.item(Cue.PLAIN), trial.item(Cue.LAST), _new_id("evt_")
        if not (plain and last and feed.is_wanted(EventKind.INBOX_RECEIVED, endpoint.scopes, endpoint.types)):
            return
        # A true event about the document must not be taken for an effect of the repeated one.
        await self._wait_for_events(trial, endpoint)
        first = await call(Cue.FIRST_HOOK, plain, id)
        if await trial.wait(lambda: any(c.n > first for c in trial.calls_about(plain))):
            await call(Cue.REPEATED_HOOK, plain, id)
            marker = await call(Cue.NEXT_HOOK, last)
            await trial.wait(lambda: any(c.n > marker for c in trial.calls_about(last)))

    async def _wait_for_events(self, trial: Trial, endpoint: Endpoint) -> None:
        """Wait until the program has the node's own webhooks, as far as patience lasts."""
        end_s = time_source.monotonic() + trial.patience_s
        while time_source.monotonic() < end_s:
            figures = (await self.webhooks.rows.figures(trial.agency.id, [endpoint.id]))[endpoint.id]
            if not figures.behind and not figures.waiting:
                return
            await asyncio.sleep(_LOOK_S)

    async def _call(
        self, trial: Trial, endpoint: Endpoint, cue: Cue, subject: str, id: str = "", *, ago: timedelta = _NOW
    ) -> int:
        """Post one event to the program's webhook as the node does, and return the number of the call."""
        sender, event_id = self.webhooks.sender, id or _new_id("evt_")
        at, began_s = self.watch.clock.now(), time_source.monotonic()
        # It has no place in the sequence, as a trial of a webhook has none.
        event = {
            "id": event_id,
            "type": UNKNOWN_TYPE if cue is Cue.STRANGE_HOOK else EventKind.INBOX_RECEIVED,
            "created_at": local(at).isoformat(timespec="seconds"),
            "agency": trial.agency.code,
            "sequence": 0,
            "subject": subject,
            "data": {UNKNOWN_FIELD: 1},
        }
        body = feed.to_bytes(event)
        sign = partial(sender.secrets.headers, endpoint.id, endpoint.secrets, event_id, at - ago, body)
        headers: Mapping[str, str] = await sender.pool.run(sign)
        if cue is Cue.FORGED:
            signature = base64.b64encode(random_source.token_bytes(32)).decode()
            headers = {**headers, "webhook-signature": f"v1,{signature}"}
        status = (await sender.poster.post(endpoint.url, body, headers)).status or 0
        facts = {"subject": subject}
        call = {"method": "POST", "path": "webhook", "query": {}, "status": status, "began_s": began_s}
        return self.watch.note(trial, **call, cue=cue, facts=facts)


def _new_id(prefix: str) -> str:
    return f"{prefix}{random_source.random_16().hex().upper()}"
