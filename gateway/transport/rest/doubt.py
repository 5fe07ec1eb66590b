"""What became of a send whose end nobody knows. In: the parcel, what it says of itself, and the axis's list of what it has
of us. Out: the axis's id where it has the file, None where it may be sent, an outcome where that cannot be told. What
the list says is a hint alone: what looks like ours is fetched, and its identity compared. Of an axis that has no such
list a person is asked, except for statuses: one that comes twice is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO, Protocol

from gateway.domain.registry import fold_code
from gateway.ports.axis import Fate, Outcome, Parcel
from gateway.transport.rest.dialect import STATUSES, Dialect, InSentList
from gateway.transport.rest.systems import System

_MOST_ALIKE = 50
UNKNOWN = "outcome-unknown"


class Told(Protocol):
    """What an envelope says of itself, as far as an axis needs it."""

    @property
    def kind(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def recipients(self) -> tuple[str, ...]: ...
    @property
    def identity(self) -> str: ...
    @property
    def notation(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def is_urgent(self) -> bool: ...


Reads = Callable[[Callable[[], BinaryIO]], Told | None]
"""What the envelope says that can be opened so; None where it cannot be read."""

Says = Callable[[System, str, str, str], Awaitable[bool]]
"""Whether the axis's packet of that id, asked for by that system and agency, has that identity."""

IsOthers = Callable[[str], Awaitable[bool]]


class Doubt:
    """`resend`: what to do where the axis cannot be asked; `settle_s`: how long it may take to list what it has."""

    def __init__(self, dialect: Dialect, says: Says, *, resend: bool, settle_s: float) -> None:
        self._dialect, self._says, self._resend, self._settle_s = dialect, says, resend, settle_s

    async def looked(
        self,
        system: System,
        parcel: Parcel,
        told: Told | None,
        kind: str,
        routes: Sequence[str],
        ago_s: float,
        is_others: IsOthers,
    ) -> str | Outcome | None:
        """`ago_s`: since the last try ended, as far as anybody knows; `is_others`: it is known that the axis's packet of
        that id went to other recipients alone."""
        if not self._dialect.lists_sent or told is None:
            if self._resend or kind == STATUSES:
                return None
            if 0 <= ago_s < self._settle_s:
                return unknown("the line broke while it was sent; its receiver may answer yet")
            detail = (
                "the line broke while it was sent, and this axis cannot be asked whether it has it: ask the receiver, "
                "and send it again only if it is not there"
            )
            return Outcome(fate=Fate.NEVER, code=UNKNOWN, detail=detail, unsure=True)
        alike: dict[str, None] = {}

        def note(line: InSentList) -> None:
            if line.doc_id and len(alike) <= _MOST_ALIKE and _is_alike(line, told, routes):
                alike[line.doc_id] = None

        await self._dialect.sent_list(system, kind, note)
        for doc_id in list(alike)[:_MOST_ALIKE]:
            if not await is_others(doc_id) and await self._says(system, doc_id, parcel.sender, told.identity):
                return doc_id
        if len(alike) > _MOST_ALIKE:
            return unknown(
                f"the line broke while it was sent, and more than {_MOST_ALIKE} of what the axis has look like it; "
                "a person decides"
            )
        if 0 <= ago_s < self._settle_s:
            return unknown("the line broke while it was sent; the axis is asked once more whether it has it")
        return None


def unknown(detail: str) -> Outcome:
    return Outcome(fate=Fate.LATER, code=UNKNOWN, detail=detail, unsure=True)


def _is_alike(line: InSentList, told: Told, routes: Sequence[str]) -> bool:
    """Whether this line may be our file: what it says and does not leave out agrees."""
    if line.to and fold_code(line.to) not in {fold_code(each) for each in (*routes, *told.recipients)}:
        return False
    ours = (told.notation, *told.notation.split("/", 1))
    if line.notation and told.notation and line.notation.strip() not in ours:
        return False
    if not line.title or not told.title:
        return True
    title, whole = " ".join(line.title.split()), " ".join(told.title.split())
    return whole.startswith(title) or title.startswith(whole)  # lists cut what is long
