"""The promises behind recipients that clerks name: an agency's saved groups, and the directory as a list to choose from."""

from __future__ import annotations

from collections.abc import Sequence
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

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution: ...

    async def search(self, text: str, limit: int = 20) -> Sequence[AgencyEntry]: ...

    async def entry(self, code: str) -> AgencyEntry | None: ...
