"""The feed of events, to iterate over. In: the cursor after which to begin. Out: events in order, each once; the cursor
stands behind the current event, so store it together with your work on that event."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from gateway_client.caller import Ask, Caller
from gateway_client.errors import GatewayClientError
from gateway_client.shapes import EventOut

# How long the node holds a call when there is nothing; a stopped loop ends after it at the latest.
WAIT_S = 10


class Feed:
    """The feed: `for event in feed:`. Without `for_s` it goes on until `stop` is set, through every trouble of the node;
    with it, until so many seconds are over. CursorGone where the node never gave this cursor: begin again from 0, and skip
    the events that you have done."""

    def __init__(
        self,
        caller: Caller,
        after: str,
        *,
        types: Sequence[str] = (),
        subject: str | None = None,
        for_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._caller = caller
        self._types = ",".join(types) or None
        self._subject = subject
        self._until = None if for_s is None else time.monotonic() + for_s
        self._stop = stop
        self.cursor = after
        """To be given as `after` next time."""

    def __iter__(self) -> Iterator[EventOut]:
        usual = self._caller.patience
        patience = usual.endless(self._stop) if self._until is None else usual
        while not self._is_stopped():
            remaining_s = WAIT_S if self._until is None else self._until - time.monotonic()
            wait_s = max(0, min(WAIT_S, int(remaining_s)))
            query = {"after": self.cursor, "wait": wait_s, "type": self._types, "subject": self._subject}
            ask = Ask(method="GET", path="/events", query=query, wait_s=wait_s)
            try:
                page = self._caller.tell(ask, patience)
            except GatewayClientError:
                if self._is_stopped():
                    return
                raise
            for event in page["data"]:
                self.cursor = event["id"]
                yield event
                if self._is_stopped():
                    return
            # Also behind events that this key may not read, or did not ask for.
            self.cursor = page["next_after"]
            if not page["data"] and not page["has_more"] and remaining_s < 1:
                return

    def _is_stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()
