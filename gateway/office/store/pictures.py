"""Pictures of pages in a folder of the node: root/AGENCY/DOCUMENT/N-DIGEST-PAGE-DOTS, readable by the node's own user alone
and in no backup. In: what was drawn. Out: the same, until its document loses it or it is the one that nobody looked
at longest while there is too little room. Whatever the disk refuses is only not kept."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import log
from gateway.domain.identity import Digest
from gateway.domain.pdf import PageLook, Size
from gateway.errors import StoreFailure
from gateway.store.data_folder import Room
from gateway.whole_files import new_file


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureKey:
    """One page of one file of one document: whoever loses the right to that document takes its pictures along."""

    agency_id: str
    document_id: str
    n: int
    digest: Digest
    page: int
    dots: int


_log = logging.getLogger(__name__)
_MOST_HEAD = 64 * 1024


class FilePictures:
    """Bounded, the least looked at go first; losing any of them costs another drawing. `most` is a number of bytes; 0 keeps
    nothing."""

    def __init__(self, root: Path, most: int, room: Room) -> None:
        self._root = root
        self._most = most
        self._room = room
        self._held: int | None = None

    def find(self, key: PictureKey) -> PageLook | None:
        path = self._path(key)
        try:
            with path.open("rb") as file:
                told = json.loads(file.readline(_MOST_HEAD))
                picture = file.read()
            os.utime(path)
            sizes = tuple(Size(width=wide, height=high) for wide, high in told["sizes"])
            whole = len(picture) == told["length"]
            return PageLook(pages=told["pages"], sizes=sizes, picture=picture) if whole else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: PictureKey, look: PageLook) -> None:
        """Does nothing where there is no room for it."""
        head = {
            "pages": look.pages,
            "sizes": [(each.width, each.height) for each in look.sizes],
            "length": len(look.picture),
        }
        octets = json.dumps(head).encode() + b"\n" + look.picture
        if len(octets) > self._most:
            return
        path = self._path(key)
        try:
            self._room.check()
            for folder in (self._root, path.parent.parent, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            with new_file(path, 0o600, durable=False) as file:  # one that a power cut tears is drawn again
                file.write(octets)
        except (OSError, StoreFailure) as why:
            log.action(_log, "pictures.not_kept", str(why))
            return
        self._held = (self._counted() if self._held is None else self._held) + len(octets)
        if self._held > self._most:
            self.trim()

    def forget(self, agency_id: str, document_ids: Collection[str]) -> None:
        for each in document_ids:
            shutil.rmtree(self._root / agency_id / each, ignore_errors=True)

    def documents(self) -> Mapping[str, Collection[str]]:
        """By agency the documents of which there is any picture."""
        return {agency.name: [each.name for each in _folders(agency)] for agency in _folders(self._root)}

    def trim(self) -> None:
        """Nine tenths of the bound are left, so that the next picture does not begin it anew."""
        files = sorted(self._files())
        self._held = sum(size for _, size, _ in files)
        if self._held <= self._most:
            return
        for _, size, path in files:
            if self._held <= self._most * 0.9:
                break
            with suppress(OSError):
                path.unlink()
            self._held -= size

    def _counted(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for agency in _folders(self._root):
            for document in _folders(agency):
                for path in _listed(document):
                    with suppress(OSError):
                        found = path.stat()
                        yield found.st_mtime, found.st_size, path

    def _path(self, key: PictureKey) -> Path:
        name = f"{key.n}-{key.digest}-{key.page}-{key.dots}"
        return self._root / key.agency_id / key.document_id / name


def _folders(place: Path) -> list[Path]:
    return [each for each in _listed(place) if each.is_dir()]


def _listed(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []
