"""One set of parts in its folder: what it said of itself at its first part, the parts that came, and whether it was
refused. In: the folder. Out: values read from it, and files added to it. Whoever writes holds the lock of the shelf; a
reader needs none, because every file appears whole. A part's name says its number, size and digest, so that a part
that comes again is known without being read."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.transport.amqp import parts_disk as disk
from gateway.transport.amqp.parts_label import PartLabel

PIECE = 256 * 1024  # bytes read at a time (design G8)
LABEL, HOLD, REFUSED, OFFERS, ASIDE = "label.json", "hold", "refused", "offers", "aside"
_PART: Final = re.compile(r"(\d{1,9})-(\d{1,18})-([0-9a-f]{64})")


class Aside(StrEnum):
    """Why a set is not handed out any more, until a person or a new hosting says otherwise."""

    NEVER_SETTLED = "never settled"
    FOR_NOBODY = "for nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A part on disk."""

    path: Path
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSet:
    """A set as it lies there. `label` is that of the part that began it."""

    folder: Path
    label: PartLabel
    recipients: tuple[str, ...]
    began: datetime

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None when another process has removed it. OSError when what it said of itself cannot be read."""
        try:
            kept = json.loads((folder / LABEL).read_bytes())
            told = kept["label"]
            told |= {"whole_digest": Digest(told["whole_digest"]), "lane": Lane(told["lane"])}
            return cls(
                folder=folder,
                label=PartLabel(**told),
                recipients=tuple(kept["recipients"]),
                began=datetime.fromtimestamp(kept["began"], UTC),
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as cause:
            raise OSError(errno.EIO, f"{LABEL} of a set is damaged", str(folder)) from cause

    def write_new(self, draft: Path, body: bytes) -> None:
        """The whole of a new set in `draft`, on disk, for its folder to be put in place."""
        kept = {
            "label": asdict(self.label),
            "recipients": self.recipients,
            "began": self.began.timestamp(),
        }
        draft.mkdir(mode=0o700)
        disk.write(draft / LABEL, json.dumps(kept).encode())
        disk.write(draft / HOLD, b"")
        disk.write(draft / part_name(self.label.n, body), body)
        disk.sync(draft)

    def parts(self) -> Mapping[int, Kept]:
        """What came, by number."""
        found = ((_PART.fullmatch(entry.name), entry) for entry in disk.entries(self.folder))
        return {
            int(match[1]): Kept(path=path, size=int(match[2]), digest=match[3])
            for match, path in found
            if match is not None
        }

    @property
    def is_whole(self) -> bool:
        return len(self.parts()) == self.label.of

    @property
    def refusal(self) -> str:
        """Why it was refused; empty when it was not."""
        try:
            return (self.folder / REFUSED).read_text("utf-8")
        except FileNotFoundError:
            return ""

    @property
    def offers(self) -> int:
        """How often it was handed out since it began or was taken back."""
        try:
            return (self.folder / OFFERS).stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def aside(self) -> Aside | None:
        """Why it was put aside; None when it was not."""
        try:
            return Aside((self.folder / ASIDE).read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: it was put aside all the same, and must stop no other
            return Aside.NEVER_SETTLED

    @property
    def waits_for_us(self) -> bool:
        """All of it came, and nothing but our own pace keeps it here."""
        return self.is_whole and not self.refusal and self.aside is None


def part_name(n: int, body: bytes) -> str:
    return f"{n:09d}-{len(body)}-{hashlib.sha256(body).hexdigest()}"


def opener(parts: Mapping[int, Kept]) -> partial[BinaryIO]:
    """What opens these parts as one file, in the order of their numbers."""
    return partial(_open, [parts[n].path for n in sorted(parts)])


def measured(parts: Mapping[int, Kept]) -> tuple[Digest, int]:
    """Digest and size of these parts joined, read from the disk."""
    hasher, size = hashlib.sha256(), 0
    with opener(parts)() as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
            size += len(piece)
    return Digest.of_bytes(hasher.digest()), size


def _open(paths: list[Path]) -> BinaryIO:
    return io.BufferedReader(disk.Chain(paths), PIECE)
