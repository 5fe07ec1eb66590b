"""Trial of one key's program: the calls that it made, as the sandbox saw them on the wire, the documents and webhooks that
were sent to it, and the tricks that were played. In: calls with their answers. Out: facts for the judges of `points`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway import time_source
from gateway.domain.account import HostedAgency


class Cue(StrEnum):
    """Cue of the story: the part of a document, or the trick that is played on a call."""

    PLAIN = "plain"
    DAMAGED = "damaged"
    CUT = "cut"
    MISSING = "missing"
    STRANGE_ITEM = "strange-item"
    REFUSED = "refused"
    RECALLED = "recalled"
    UPDATED = "updated"
    LAST = "last"
    BUSY = "busy"
    STRANGE_EVENT = "strange-event"
    LOST_EVENTS = "lost-events"
    CURSOR_REFUSED = "cursor-refused"
    LOST_SEND = "lost-send"
    FORGED = "forged"
    STALE = "stale"
    STRANGE_HOOK = "strange-hook"
    FIRST_HOOK = "first-hook"
    REPEATED_HOOK = "repeated-hook"
    NEXT_HOOK = "next-hook"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """One call of the program, or one webhook to it. `path` is below the API's base; `facts` are those of the answer that a
    judge needs. `began_s` and `ended_s` count on the monotonic clock."""

    n: int
    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    began_s: float
    ended_s: float
    facts: Mapping[str, Any]  # Any: JSON of an answer
    key: str = ""
    cue: Cue | None = None

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_read(self) -> bool:
        """Tell whether it fetched a file or its remaining bytes, and no trick spoiled it."""
        return self.method == "GET" and "/files/" in self.path and self.is_good and self.cue is None

    def is_act(self, verb: str) -> bool:
        return self.method == "POST" and self.path.endswith(f"/{verb}")


@dataclass(slots=True, kw_only=True)
class Trial:
    """Trial of one key. `name` is the beginning of the key, for people; `program` the id of its owner. `parts` go by the
    subject of the robot's document, `items` by the id in the inbox; `requests` are items that ask about such an item."""

    name: str
    agency: HostedAgency
    program: str
    patience_s: float
    at: datetime
    has_ended: bool = False
    calls: deque[SeenCall] = field(default_factory=lambda: deque(maxlen=2000))
    parts: dict[str, Cue] = field(default_factory=dict)
    items: dict[str, Cue] = field(default_factory=dict)
    requests: dict[str, Cue] = field(default_factory=dict)
    leased: set[str] = field(default_factory=set)
    played: set[Cue] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _step_s: float = 0.0

    def note(self, call: SeenCall) -> None:
        self.calls.append(call)
        # A call that only waits for something new is no step of the story.
        if call.method != "GET" or call.path not in ("/inbox", "/events"):
            self._step_s = call.ended_s
        self._changed.set()

    def play(self, cue: Cue) -> bool:
        """Tell whether it is the first time: then the trick is to be played."""
        is_first = cue not in self.played
        self.played.add(cue)
        return is_first

    def learn_items(self, page: Mapping[str, Any]) -> None:
        """Learn the items of a lease. A document goes before the item that asks something about it."""
        for item in page["data"]:
            self.leased.add(item["id"])
            if item["business"] == "new" and item["subject"] in self.parts:
                self.items[item["id"]] = self.parts[item["subject"]]
            elif item.get("about") in self.items:
                self.requests[item["id"]] = self.items[item["about"]]

    def item(self, part: Cue) -> str:
        return next((id for id, own in self.items.items() if own is part), "")

    def calls_about(self, id: str) -> list[SeenCall]:
        return [c for c in self.calls if id and c.path.startswith(f"/inbox/{id}")]

    def acknowledgement(self, id: str) -> SeenCall | None:
        return next((c for c in self.calls_about(id) if c.is_act("ack") and c.is_good), None)

    def tricked(self, cue: Cue) -> SeenCall | None:
        return next((c for c in self.calls if c.cue is cue), None)

    def following(self, call: SeenCall) -> list[SeenCall]:
        """Return the calls of the same method, path and filter that began after that one, oldest first."""
        return [c for c in self.calls if c.n > call.n and _reader(c) == _reader(call)]

    @property
    def last_ack(self) -> SeenCall | None:
        """Acknowledgement of the last document of the story: the program came through all of them."""
        return self.acknowledgement(self.item(Cue.LAST))

    async def wait(self, is_there: Callable[[], bool]) -> bool:
        """Wait for it; False where the program took no step for as long as patience lasts."""
        self._step_s = time_source.monotonic()
        while not is_there():
            remaining_s = self.patience_s - (time_source.monotonic() - self._step_s)
            if remaining_s <= 0:
                return False
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), remaining_s)
        return True


def _reader(call: SeenCall) -> tuple[str | None, ...]:
    return call.method, call.path, call.query.get("type"), call.query.get("subject")
