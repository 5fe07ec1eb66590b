"""Stores one node's sets of parts on disk: decides whether a part may be kept, and remembers which sets have ended. In:
the label of a part, its bytes, its recipients. Out: STORED once the part is on disk, REPEAT, WAIT, or REFUSED with the
reason.

One lock per publishing node keeps its quota exact, whatever number of processes store its parts; a folder holds the sets
of one node alone. A set is named by set id and recipients: the same bytes sent again to fewer recipients are a set of
their own, so that no recipient gets bytes sent to another, and none loses its copy."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from gateway import random_source
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
    """Outcome of storing one part. STORED and REPEAT: acknowledge the message. WAIT: leave it unacknowledged and try
    again later, because this node is slower than the parts come. REFUSED: reject it, so that it shows on the dead list.
    """

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
    """Small record of a set that has ended, kept for `PartLimits.age` to recognise late repeats."""

    set_fields: Mapping[str, str | int]
    recipients: tuple[str, ...]
    refusal: str = ""


class PartsFolder:
    """Folder with all sets of parts that one node published."""

    def __init__(self, folder: Path, limits: PartLimits) -> None:
        self.folder = folder
        self._sets, self._over, self._drafts = folder / "sets", folder / "over", folder / "drafts"
        self._limits = limits

    @classmethod
    def for_node(cls, root: Path, user: str | None, limits: PartLimits) -> Self:
        """Return the folder of the publishing node `user`; parts without a vouched node share one folder."""
        return cls(root / (_name(user) if user is not None else "nobody"), limits)

    def land(self, label: PartLabel, body: bytes, recipients: Sequence[str], now: datetime) -> Landing:
        """Store one part in its set, and begin the set with its first part. A part that contradicts its set refuses the
        whole set; a part of an ended set is a repeat or refused."""
        codes = tuple(sorted({fold_code(code) for code in recipients}))
        name = f"{_name(label.set_id)}-{_name(*codes)}"
        for folder in (self._sets, self._over, self._drafts):
            parts_set.make_folder(folder)
        with self._locked():
            ended = self._remembered(name)
            if ended is not None and ended.refusal and label.n == 1:
                # The set is sent again from its first part: the flaw of the earlier set is no reason to lose this
                # one.
                parts_set.remove_path(self._over / name)
                ended = None
            if ended is not None:
                reason = ended.refusal or _difference(ended.set_fields, label)
                return refuse_landing(reason) if reason else REPEAT
            packet = PartSet.read(self._sets / name)
            if packet is None:
                return self._begin(name, label, body, codes, now)
            return self._add(packet, label, body)

    def sets(self) -> Iterator[PartSet]:
        """Yield the sets that have not ended, in no promised order; an unreadable set is logged and left out."""
        for folder in parts_set.entries(self._sets):
            try:
                packet = PartSet.read(folder)
            except OSError as error:  # one damaged set must not stop the others
                action(_log, "parts.unreadable", str(error), folder=folder.name)
                continue
            if packet is not None:
                yield packet

    def refuse(self, packet: PartSet, reason: str) -> None:
        """Mark the set as refused, so that it takes no further part; the first reason stays."""
        with self._locked():
            self._refuse(packet, reason)

    def put_aside(self, packet: PartSet, why: ParkedReason) -> None:
        """Park the set: keep it, but hand it out no more. It counts towards its sender's quota, which bounds the disk."""
        with self._locked():
            if packet.folder.exists() and packet.parked_reason is None:
                self._write(packet.folder / PARKED, why.encode())
        action(_log, "parts.aside", why, packet=packet.label.packet_id, node=packet.label.user)

    def take_back(self, packet: PartSet) -> None:
        """Return a parked set to the handout, with its count of offers at zero."""
        with self._locked():
            parts_set.remove_path(packet.folder / OFFERS)
            parts_set.remove_path(packet.folder / PARKED)

    def is_over(self, packet: PartSet) -> bool:
        """Tell whether the set is remembered as ended."""
        return self._remembered(packet.folder.name) is not None

    def served_recipients(self, packet: PartSet) -> frozenset[str]:
        """Return the recipients that already received the same bytes whole, by a set with other recipients."""
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
        """Remember the set as ended, then remove it. After a crash between the two, the next handout removes it."""
        with self._locked():
            if not self.is_over(packet):
                self._remember(packet, now)
            self._remove(packet)

    def give_up(self, packet: PartSet, parts: Collection[int]) -> None:
        """Remove the set without remembering it, so that it may be sent again; keep it where more than `parts` have
        come."""
        with self._locked():
            if set(packet.parts()) == set(parts):
                self._remove(packet)

    def forget(self, limit: datetime) -> None:
        """Forget the sets that ended before `limit`."""
        with self._locked():
            for path in parts_set.entries(self._over):
                if path.stat().st_mtime < limit.timestamp():
                    parts_set.remove_path(path)

    # --- with the lock held -----------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder's lock, and remove drafts that a crashed process left."""
        with parts_set.hold_lock(self.folder / "lock"):
            for left_by_a_crash in parts_set.entries(self._drafts):
                parts_set.remove_path(left_by_a_crash)
            yield

    def _begin(
        self, name: str, label: PartLabel, body: bytes, recipients: tuple[str, ...], now: datetime
    ) -> Landing:
        """Begin a set with its first part. A quota filled by the sender's own unfinished sets refuses the part; one
        filled by sets that wait for this node makes it wait."""
        if fault := _size_fault(label, {}, body):
            return refuse_landing(fault)
        open_sets = list(self.sets())
        unfinished = [s for s in open_sets if not s.waits_for_us]
        if fault := self._over_quota(label, unfinished):
            return refuse_landing(fault)
        if fault := self._over_quota(label, open_sets):
            return Landing(landed=Landed.WAIT, reason=fault)
        new = PartSet(folder=self._sets / name, label=label, recipients=recipients, began=now)
        draft = self._drafts / random_source.token_hex(8)
        new.write_new(draft, body)
        parts_set.move_file(draft, new.folder)
        return STORED_LANDING

    def _over_quota(self, label: PartLabel, open_now: Sequence[PartSet]) -> str:
        """Return why one more set would exceed the node's quota of sets or bytes; empty when it fits."""
        if len(open_now) >= self._limits.open_sets:
            return (
                f"{len(open_now)} sets of this node are open already, at most {self._limits.open_sets} may be"
            )
        announced = sum(s.label.whole_size for s in open_now) + label.whole_size
        if announced > self._limits.open_bytes:
            return f"the open sets of this node would have {announced} bytes, at most {self._limits.open_bytes} may be kept"
        return ""

    def _add(self, packet: PartSet, label: PartLabel, body: bytes) -> Landing:
        """Add a part to an open set. Different bytes under a number already stored refuse the whole set."""
        if reason := packet.refusal:
            return refuse_landing(reason)
        parts, name = packet.parts(), part_name(label.n, body)
        fault = _difference(packet.label.set_fields, label)
        stored = parts.get(label.n)
        if not fault and stored is not None:
            if stored.path.name == name:
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
        """Write the file in one step: it appears whole and synced to disk, or not at all."""
        draft = self._drafts / random_source.token_hex(8)
        parts_set.write_file(draft, content)
        parts_set.move_file(draft, target)

    def _remove(self, packet: PartSet) -> None:
        """Remove the set's folder; it is moved away first, so that no reader sees half of it."""
        if packet.folder.exists():
            doomed = self._drafts / random_source.token_hex(8)
            packet.folder.rename(doomed)
            parts_set.remove_path(doomed)

    def _remember(self, packet: PartSet, now: datetime) -> None:
        """Record the set as ended; beyond the limit, the oldest record goes."""
        memory = {
            "about": packet.label.set_fields,
            "recipients": packet.recipients,
            "refusal": packet.refusal,
        }
        draft = self._drafts / random_source.token_hex(8)
        parts_set.write_file(draft, json.dumps(memory).encode())
        os.utime(draft, (now.timestamp(), now.timestamp()))
        parts_set.move_file(draft, self._over / packet.folder.name)
        records = parts_set.entries(self._over)
        if len(records) > self._limits.remembered:
            parts_set.remove_path(min(records, key=lambda path: path.stat().st_mtime))

    def _remembered(self, name: str) -> EndedSet | None:
        try:
            memory = json.loads((self._over / name).read_bytes())
        except FileNotFoundError:
            return None
        return EndedSet(
            set_fields=memory["about"], recipients=tuple(memory["recipients"]), refusal=memory["refusal"]
        )


def _difference(first: Mapping[str, str | int], label: PartLabel) -> str:
    """Return the first field in which the part's label differs from the set's; empty when none does."""
    for name, value in label.set_fields.items():
        if first[name] != value:
            return f"part {label.n} says {name} {value!r}, the set began with {first[name]!r}"
    return ""


def _size_fault(label: PartLabel, parts: Mapping[int, KeptPart], body: bytes) -> str:
    """Return why the part's size cannot fit the announced whole; empty when it can. Each missing part counts at least
    one byte, and the last part must make up the exact size."""
    size = sum(part.size for part in parts.values()) + len(body)
    to_come = label.of - len(parts) - 1
    if not body:
        return f"part {label.n} is empty"
    if size + to_come > label.whole_size or (to_come == 0 and size != label.whole_size):
        return f"the parts have {size} bytes and {to_come} are to come, the whole was announced with {label.whole_size}"
    return ""


def _name(*texts: str) -> str:
    """Hash texts into a file name, so that no text can lead the path astray."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
