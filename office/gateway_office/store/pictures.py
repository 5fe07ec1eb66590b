"""Pictures of pages in a folder of the node: root/AGENCY/DOCUMENT/N-DIGEST-PAGE-DOTS-vDRAWING, readable by the node's own
user alone and in no backup. In: a drawn page. Out: the same, until its document loses it, pages are drawn in another
way, or it is the least recently used while there is too little room. A picture that the disk refuses is not kept."""

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
from gateway.atomic_files import new_file
from gateway.domain.identity import Digest
from gateway.domain.pdf import DRAWING, PageLook, Size
from gateway.errors import StoreFailure
from gateway.store.data_folder import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureKey:
    """One page of one file of one document, so that pictures go when the right to the document is lost."""

    agency_id: str
    document_id: str
    n: int
    digest: Digest
    page: int
    dots: int


_log = logging.getLogger(__name__)
_MOST_HEAD = 64 * 1024


class FilePictures:
    """Bounded store of pictures: the least recently used go first, and losing one costs another drawing. `most` is a number
    of bytes; 0 keeps nothing."""

    def __init__(self, root: Path, most: int, room: Room) -> None:
        self._root = root
        self._most = most
        self._room = room
        self._bytes: int | None = None

    def find(self, key: PictureKey) -> PageLook | None:
        path = self._path(key)
        try:
            with path.open("rb") as file:
                header = json.loads(file.readline(_MOST_HEAD))
                picture = file.read()
            os.utime(path)
            sizes = tuple(Size(width=wide, height=high) for wide, high in header["sizes"])
            is_complete = len(picture) == header["length"]
            return PageLook(pages=header["pages"], sizes=sizes, picture=picture) if is_complete else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: PictureKey, look: PageLook) -> None:
        """Keep the picture, unless there is no room for it."""
        head = {
            "pages": look.pages,
            "sizes": [(size.width, size.height) for size in look.sizes],
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
            with new_file(path, 0o600, durable=False) as file:  # a picture torn by a power cut is drawn again
                file.write(octets)
        except (OSError, StoreFailure) as error:
            log.action(_log, "pictures.not_kept", str(error))
            return
        self._bytes = (self._count_bytes() if self._bytes is None else self._bytes) + len(octets)
        if self._bytes > self._most:
            self.trim()

    def forget(self, agency_id: str, document_ids: Collection[str]) -> None:
        for document_id in document_ids:
            shutil.rmtree(self._root / agency_id / document_id, ignore_errors=True)

    def documents(self) -> Mapping[str, Collection[str]]:
        """List the documents that have any picture, by agency."""
        return {agency.name: [folder.name for folder in _folders(agency)] for agency in _folders(self._root)}

    def trim(self) -> None:
        """Remove pictures down to nine tenths of the bound, so that the next picture does not begin it again."""
        files = sorted(self._files())
        self._bytes = sum(size for _, size, _ in files)
        if self._bytes <= self._most:
            return
        for _, size, path in files:
            if self._bytes <= self._most * 0.9:
                break
            with suppress(OSError):
                path.unlink()
            self._bytes -= size

    def _count_bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for agency in _folders(self._root):
            for document in _folders(agency):
                for path in _list_folder(document):
                    with suppress(OSError):
                        status = path.stat()
                        yield status.st_mtime, status.st_size, path

    def _path(self, key: PictureKey) -> Path:
        name = f"{key.n}-{key.digest}-{key.page}-{key.dots}-v{DRAWING}"
        return self._root / key.agency_id / key.document_id / name


def _folders(place: Path) -> list[Path]:
    return [path for path in _list_folder(place) if path.is_dir()]


def _list_folder(place: Path) -> list[Path]:
    try:
        return list(place.iterdir())
    except OSError:
        return []
