"""Incoming documents, one after the other: leased, handed to a function of yours, answered, acknowledged. In: that
function. Out: how many were taken in. A document that the function did not finish is not acknowledged and is offered again
when its lease has run out, so store by the id of the item: a document may come a second time, and is never lost."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway_client.caller import Ask, Caller, path_of
from gateway_client.downloads import download
from gateway_client.errors import GatewayClientError
from gateway_client.shapes import Acknowledged, InboxFileOut, InboxItem, StatusIn, StatusSet

_LOG = logging.getLogger("gateway_client")
# How long the node holds a call when there is nothing; a stopped loop ends after it at the latest.
WAIT_S = 10
_NAME_BYTES, _ENDING_BYTES = 120, 10


class Received:
    """One incoming document. `item` is the node's description of it."""

    def __init__(self, caller: Caller, item: InboxItem) -> None:
        self._caller = caller
        self.item = item

    @property
    def id(self) -> str:
        return self.item["id"]

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Save every file into that folder, as `1-NAME`, compared with its digest; none where not `files_readable`."""
        into = Path(folder)
        into.mkdir(parents=True, exist_ok=True)
        files = self.item["files"] if self.item["files_readable"] else []
        return [self.save_file(f, into / f"{f['n']}-{plain_name(f['name'])}") for f in files]

    def save_file(self, file: InboxFileOut, target: str | os.PathLike[str]) -> Path:
        """Save one file. It goes on where it broke off, and lies there when it is whole and right."""
        path = path_of("inbox", self.id, "files", file["n"])
        download(self._caller, path, Path(target), file["sha256"])
        return Path(target)

    def save_envelope(self, target: str | os.PathLike[str]) -> Path:
        """Save the signed envelope, byte for byte as it arrived."""
        download(self._caller, path_of("inbox", self.id, "envelope"), Path(target))
        return Path(target)

    def ack(self) -> Acknowledged:
        """Acknowledge that your system has stored it. Twice is harmless."""
        path = path_of("inbox", self.id, "ack")
        acknowledged: Acknowledged = self._caller.tell(Ask(method="POST", path=path, harmless=True))
        return acknowledged

    def set_status(self, status: StatusIn, *, version: int | None = None) -> StatusSet:
        """Set its status. Twice is harmless; with `version` only while that is the present one (StaleVersion)."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        path = path_of("inbox", self.id, "status")
        ask = Ask(method="POST", path=path, json=status, headers=headers, harmless=True)
        status_set: StatusSet = self._caller.tell(ask)
        return status_set


Handle = Callable[[Received], StatusIn | None]


@dataclass(slots=True)
class Taken:
    """Result of a loop: documents taken in, and those whose function failed."""

    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxLoop:
    """The loop. `lease_s` is how long one document may take at most; `stop` ends the loop after the current document."""

    caller: Caller
    handle: Handle
    lease_s: int
    at_once: int
    once: bool
    stop: threading.Event | None

    def run(self) -> Taken:
        totals = Taken()
        while not self._is_stopped():
            began = time.monotonic()
            items = self._lease()
            if not items and self.once:
                break
            for n, item in enumerate(items):
                # A document that another program may have by now is not begun. The first is always begun.
                is_late = n > 0 and time.monotonic() - began > self.lease_s / 2
                if is_late or self._is_stopped():
                    break
                self._take(Received(self.caller, item), totals)
        return totals

    def _lease(self) -> list[InboxItem]:
        wait_s = 0 if self.once else WAIT_S
        query = {"lease": self.lease_s, "limit": self.at_once, "wait": wait_s}
        ask = Ask(method="GET", path="/inbox", query=query, wait_s=wait_s)
        usual = self.caller.patience
        try:
            page = self.caller.tell(ask, usual if self.once else usual.endless(self.stop))
        except GatewayClientError:
            if self._is_stopped():
                return []
            raise
        entries: list[InboxItem] = page["data"]
        return entries

    def _take(self, received: Received, totals: Taken) -> None:
        """Take in one document. One that fails is logged and stays with the node; the others must not wait for it."""
        try:
            status = self.handle(received)
            if status is not None:
                received.set_status(status)
            received.ack()
            totals.done += 1
        except Exception:
            _LOG.exception("%s was not taken in; it will be offered again", received.id)
            totals.failed += 1

    def _is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()


def plain_name(name: str) -> str:
    """Return a name that stays in its folder and that every system takes; the sender's name is in the item."""
    cleaned = "".join("_" if ord(sign) < 32 or sign in '/\\:*?"<>|' else sign for sign in name).strip(" .")
    stem, dot, ending = cleaned.rpartition(".")
    if not stem or len(ending.encode()) > _ENDING_BYTES:
        stem, dot, ending = cleaned, "", ""
    return stem.encode()[:_NAME_BYTES].decode(errors="ignore") + dot + ending if cleaned else "file"
