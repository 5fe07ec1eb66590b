"""Read a part of a backup in pieces, for each night: a whole drill of many terabytes takes days. In: a backup and its
passphrase. Out: the counts of its pieces. Each piece must be there in its size; those that are new, and a share of the
rest, are opened and compared with their digests. No row is loaded: that is what a drill does (`ops.restore`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tarfile import TarInfo

from gateway import random_source
from gateway.ops import backup_file as form
from gateway.ops.backup_file import BackupDescription, BackupReader, Damaged
from gateway.ops.backup_store import StoreReader
from gateway.ops.restore import check, read_description

_TELL_EVERY = 1000


@dataclass(slots=True, kw_only=True)
class Sample:
    """Result: the number of pieces, how many of them were opened, and the bytes that these have."""

    description: BackupDescription
    pieces: int = 0
    opened: int = 0
    opened_bytes: int = 0


def read_sample(
    file: Path,
    passphrase: bytes,
    percent: float,
    new_since: datetime | None,
    tell: Callable[[str, int], None],
) -> Sample:
    """Read `percent` of the pieces of a backup, drawn anew each time, and all that were written since. Damaged for any that
    is missing or changed, and for a backup in one file, which has no pieces."""
    with file.open("rb") as raw, closing(BackupReader(raw, passphrase)) as reader:
        description, members = read_description(file, passphrase, reader)
        if not isinstance(members, StoreReader):
            raise Damaged(
                f"{file.name} is one file and not in pieces, so it can only be read as a whole",
                hint="gateway restore --drill without --sample",
            )
        sample, files = Sample(description=description), dict[str, str]()
        since = 0.0 if new_since is None else new_since.timestamp()
        while (member := members.next()) is not None:
            if members.piece is not None:
                file_of_piece = members.stat_piece()
                if member.name.startswith(form.CONTENT) and file_of_piece.st_size < member.size:
                    raise Damaged(f"{member.name} in the backup is shorter than it was")
                sample.pieces += 1
                if file_of_piece.st_mtime >= since or 100 * random_source.fraction() < percent:
                    sample.opened += 1
                    sample.opened_bytes += file_of_piece.st_size
                    check(member.name, members.piece, _digest(members, member))
                if sample.pieces % _TELL_EVERY == 0:
                    tell("pieces", sample.pieces)
            elif member.name == form.MANIFEST:
                manifest = form.MANIFEST_JSON.validate_json(members.read(member))
                check("keys, trust and settings", manifest.files, files)
                return sample
            elif member.name != form.DESCRIPTION:
                files[member.name] = _digest(members, member)
    raise Damaged("the backup has no manifest at its end")


def _digest(members: StoreReader, member: TarInfo) -> str:
    hasher = hashlib.sha256()
    for data in members.pieces(member):
        hasher.update(data)
    return hasher.hexdigest()
