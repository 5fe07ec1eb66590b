"""The sets of one node on disk: which parts may be kept, and which sets are over. In: a label that was read, the bytes, the
recipients. Out: STORED once they are on disk, REPEAT, WAIT, or REFUSED with the reason. One lock for each node, so that its
quota is exact whatever number of processes land its parts. A folder holds the sets of one node alone. A
set is named by (set id, recipients): bytes sent again to fewer recipients are a set of their own, so that none of them gets
what was sent to another, and none loses its copy to another's."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from gateway.domain.registry import fold_code
from gateway.log import action
from gateway.transport.amqp import parts_set
from gateway.transport.amqp.label import PartLabel, PartLimits
from gateway.transport.amqp.parts_set import (
    OFFERS,
    PARKED,
    REFUSED,
    KeptPart,
    ParkedReason,
    PartSet,
    part_name,
)

_log = logging.getLogger(__name__)


class Landed(StrEnum):
    """Outcome for one part. STORED and REPEAT: acknowledge it. WAIT: leave it unacknowledged and land it again, we are
    slower than it came. REFUSED: reject it, so that it is visible on the dead list."""

    STORED = "kept"
    REPEAT = "repeat"
    WAIT = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Outcome for one part; `reason` says why it was refused or has to wait."""

    landed: Landed
    reason: str = ""


STORED_LANDING, REPEAT = Landing(landed=Landed.STORED), Landing(landed=Landed.REPEAT)


def refuse_landing(reason: str) -> Landing:
    return Landing(landed=Landed.REFUSED, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSet:
    """Memory of a set that is over: small, and forgotten after `PartLimits.age`."""

    set_fields: Mapping[str, str | int]
    recipients: tuple[str, ...]
    refusal: str = ""


class PartsFolder:
    """One node's folder."""

    def __init__(self, folder: Path, limits: PartLimits) -> None:
        self.folder = folder
        self._sets, self._over, self._drafts = folder / "sets", folder / "over", folder / "drafts"
        self._limits = limits

    @classmethod
    def for_node(cls, root: Path, user: str | None, limits: PartLimits) -> Self:
        """Return the folder of this node, or the one for parts whose node the broker does not name."""
        return cls(root / (_name(user) if user is not None else "nobody"), limits)

    def land(self, label: PartLabel, body: bytes, recipients: Sequence[str], now: datetime) -> Landing:
        """Put the part on disk (STORED). A contradiction refuses the whole set."""
        to = tuple(sorted({fold_code(code) for code in recipients}))
        name = f"{_name(label.set_id)}-{_name(*to)}"
        for folder in (self._sets, self._over, self._drafts):
            parts_set.make_folder(folder)
        with self._locked():
            memory = self._remembered(name)
            if memory is not None and memory.refusal and label.n == 1:
                # Sent again from its first part: the flaw of the earlier set is no reason to lose this one.
                parts_set.remove_path(self._over / name)
                memory = None
            if memory is not None:
                reason = memory.refusal or _difference(memory.set_fields, label)
                return refuse_landing(reason) if reason else REPEAT
            packet = PartSet.read(self._sets / name)
            if packet is None:
                return self._begin(name, label, body, to, now)
            return self._add(packet, label, body)

    def sets(self) -> Iterator[PartSet]:
        """Yield the open sets, in no promised order."""
        for folder in parts_set.entries(self._sets):
            try:
                packet = PartSet.read(folder)
            except OSError as error:  # the others are not to suffer from it
                action(_log, "parts.unreadable", str(error), folder=folder.name)
                continue
            if packet is not None:
                yield packet

    def refuse(self, packet: PartSet, reason: str) -> None:
        """Take no further part of the set; the first reason stays."""
        with self._locked():
            self._refuse(packet, reason)

    def put_aside(self, packet: PartSet, why: ParkedReason) -> None:
        """Keep the set without handing it out any more; it counts as the sender's own, so that the disk has a bound."""
        with self._locked():
            if packet.folder.exists() and packet.parked_reason is None:
                self._write(packet.folder / PARKED, why.encode())
        action(_log, "parts.aside", why, packet=packet.label.packet_id, node=packet.label.user)

    def take_back(self, packet: PartSet) -> None:
        """Hand the set out again, counted from zero."""
        with self._locked():
            parts_set.remove_path(packet.folder / OFFERS)
            parts_set.remove_path(packet.folder / PARKED)

    def is_over(self, packet: PartSet) -> bool:
        return self._remembered(packet.folder.name) is not None

    def served_recipients(self, packet: PartSet) -> frozenset[str]:
        """Return the recipients of the same set whole, sent at another time with other recipients beside them."""
        same = packet.folder.name.partition("-")[0]
        names = [path.name for path in parts_set.entries(self._over) if path.name.startswith(f"{same}-")]
        memories = [self._remembered(name) for name in names]
        return frozenset(
            code
            for memory in memories
            if memory is not None and not memory.refusal
            for code in memory.recipients
        )

    def end(self, packet: PartSet, now: datetime) -> None:
        """Remember the set as over, then remove it. After a crash between the two, the next look ends it."""
        with self._locked():
            if not self.is_over(packet):
                self._remember(packet, now)
            self._remove(packet)

    def give_up(self, packet: PartSet, parts: Collection[int]) -> None:
        """Remove the unfinished set without remembering it, so that it may be sent again; not if more parts have come."""
        with self._locked():
            if set(packet.parts()) == set(parts):
                self._remove(packet)

    def forget(self, limit: datetime) -> None:
        """Forget sets that ended before then."""
        with self._locked():
            for path in parts_set.entries(self._over):
                if path.stat().st_mtime < limit.timestamp():
                    parts_set.remove_path(path)

    # --- with the lock held -----------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with parts_set.hold_lock(self.folder / "lock"):
            for left_by_a_crash in parts_set.entries(self._drafts):
                parts_set.remove_path(left_by_a_crash)
            yield

    def _begin(
        self, name: str, label: PartLabel, body: bytes, recipients: tuple[str, ...], now: datetime
    ) -> Landing:
        if fault := _size_fault(label, {}, body):
            return refuse_landing(fault)
        open_now = list(self.sets())
        senders_own = [s for s in open_now if not s.waits_for_us]
        if fault := self._over_quota(label, senders_own):
            return refuse_landing(fault)
        if fault := self._over_quota(label, open_now):
            return Landing(landed=Landed.WAIT, reason=fault)
        new = PartSet(folder=self._sets / name, label=label, recipients=recipients, began=now)
        draft = self._drafts / secrets.token_hex(8)
        new.write_new(draft, body)
        parts_set.move_file(draft, new.folder)
        return STORED_LANDING

    def _over_quota(self, label: PartLabel, open_now: Sequence[PartSet]) -> str:
        if len(open_now) >= self._limits.open_sets:
            return (
                f"{len(open_now)} sets of this node are open already, at most {self._limits.open_sets} may be"
            )
        announced = sum(s.label.whole_size for s in open_now) + label.whole_size
        if announced > self._limits.open_bytes:
            return f"the open sets of this node would have {announced} bytes, at most {self._limits.open_bytes} may be kept"
        return ""

    def _add(self, packet: PartSet, label: PartLabel, body: bytes) -> Landing:
        if reason := packet.refusal:
            return refuse_landing(reason)
        parts, name = packet.parts(), part_name(label.n, body)
        fault = _difference(packet.label.set_fields, label)
        same = parts.get(label.n)
        if not fault and same is not None:
            if same.path.name == name:
                return REPEAT
            fault = f"part {label.n} came twice with different bytes"
        fault = fault or _size_fault(label, parts, body)
        if fault:
            self._refuse(packet, fault)
            return refuse_landing(fault)
        self._write(packet.folder / name, body)
        return STORED_LANDING

    def _refuse(self, packet: PartSet, reason: str) -> None:
        if packet.refusal or not packet.folder.exists():
            return
        self._write(packet.folder / REFUSED, reason.encode())
        action(_log, "parts.refused", reason, packet=packet.label.packet_id, node=packet.label.user)

    def _write(self, target: Path, content: bytes) -> None:
        """Write the file whole and on disk, or not at all."""
        draft = self._drafts / secrets.token_hex(8)
        parts_set.write_file(draft, content)
        parts_set.move_file(draft, target)

    def _remove(self, packet: PartSet) -> None:
        if packet.folder.exists():
            going = self._drafts / secrets.token_hex(8)
            packet.folder.rename(going)
            parts_set.remove_path(going)

    def _remember(self, packet: PartSet, now: datetime) -> None:
        memory = {
            "about": packet.label.set_fields,
            "recipients": packet.recipients,
            "refusal": packet.refusal,
        }
        draft = self._drafts / secrets.token_hex(8)
        parts_set.write_file(draft, json.dumps(memory).encode())
        os.utime(draft, (now.timestamp(), now.timestamp()))
        parts_set.move_file(draft, self._over / packet.folder.name)
        everything = parts_set.entries(self._over)
        if len(everything) > self._limits.remembered:
            parts_set.remove_path(min(everything, key=lambda path: path.stat().st_mtime))

    def _remembered(self, name: str) -> EndedSet | None:
        try:
            memory = json.loads((self._over / name).read_bytes())
        except FileNotFoundError:
            return None
        return EndedSet(
            set_fields=memory["about"], recipients=tuple(memory["recipients"]), refusal=memory["refusal"]
        )


def _difference(first: Mapping[str, str | int], label: PartLabel) -> str:
    for name, value in label.set_fields.items():
        if first[name] != value:
            return f"part {label.n} says {name} {value!r}, the set began with {first[name]!r}"
    return ""


def _size_fault(label: PartLabel, parts: Mapping[int, KeptPart], body: bytes) -> str:
    """Check a part's size: each part still to come has one byte at the least, and the last one makes up the whole."""
    size = sum(part.size for part in parts.values()) + len(body)
    to_come = label.of - len(parts) - 1
    if not body:
        return f"part {label.n} is empty"
    if size + to_come > label.whole_size or (to_come == 0 and size != label.whole_size):
        return f"the parts have {size} bytes and {to_come} are to come, the whole was announced with {label.whole_size}"
    return ""


def _name(*texts: str) -> str:
    """Name a file so that no text can lead the path astray."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
