"""The promises behind recipients that clerks name: an agency's saved groups, and the directory as a list to choose from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Protocol

from gateway.domain.recipients import RecipientGroup
from gateway.domain.registry import AgencyEntry, Resolution


class RecipientGroups(Protocol):
    """The groups of one agency."""

    async def all(self) -> Sequence[RecipientGroup]:
        """By name."""

    async def named(self, name: str) -> RecipientGroup | None:
        """Letter case and accents do not matter."""

    async def save(self, group: RecipientGroup) -> None:
        """A new group has version 1. Clash when there is one of that name already, or when the one that is changed is no
        longer of the version before."""

    async def remove(self, name: str) -> bool:
        """Whether there was one."""


class AgencyBook(Protocol):
    """The directory of agency codes, asked for one and for those like it."""

    async def resolve_all(
        self, asked: Sequence[tuple[str, str | None]], on: date, *, offer: bool = True
    ) -> Sequence[Resolution]:
        """What each text stands for on that day, given with its parent or none, in their order. Without `offer` nothing
        near is looked for where nothing is found."""

    async def search(self, text: str, limit: int = 20) -> Sequence[AgencyEntry]: ...

    async def search_all(
        self, texts: Collection[str], limit: int = 20
    ) -> Mapping[str, Sequence[AgencyEntry]]: ...

    async def entry(self, code: str) -> AgencyEntry | None: ...
