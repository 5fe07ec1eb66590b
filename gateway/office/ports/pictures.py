"""What showing a document's pages needs from outside: somebody who draws them apart from the node, and a place for pictures
that were drawn. Sync calls of the place are for the pool."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.domain.identity import Digest
from gateway.domain.page_picture import PageLook, PageWish


class Pages(Protocol):
    """Draws pages of files from outside. Never raises for what a file holds, and answers within its time limit."""

    def can_draw(self, kind: str) -> bool:
        """By the inspector's word for what the file is."""

    async def warm(self) -> None:
        """Somebody will ask soon."""

    async def draw(self, path: Path, wish: PageWish) -> PageLook: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureKey:
    """One page of one file of one document: whoever loses the right to that document takes its pictures along."""

    agency_id: str
    document_id: str
    n: int
    digest: Digest
    page: int
    dots: int


class Pictures(Protocol):
    """Pictures that were drawn: bounded, the least looked at go first. Losing any of them costs another drawing."""

    def find(self, key: PictureKey) -> PageLook | None: ...

    def keep(self, key: PictureKey, look: PageLook) -> None:
        """Does nothing where there is no room for it."""

    def forget(self, agency_id: str, document_ids: Collection[str]) -> None: ...

    def documents(self) -> Mapping[str, Collection[str]]:
        """By agency the documents of which there is any picture."""

    def trim(self) -> None:
        """Down to the bound, by what is there: other processes write into the same place."""
