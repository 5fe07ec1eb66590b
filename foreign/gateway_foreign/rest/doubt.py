"""Decides sends whose outcome is unknown. In: its envelope's fields, and the axis's list of packets sent by
us. Out: the axis's id where it has the file, None where the parcel may be sent again, an outcome where that cannot be
decided. The list only hints: similar packets are fetched, and their identity compared. For an axis without such a list a
person is asked, except for statuses, because a repeated status counts once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO, Protocol

from gateway.domain.registry import fold_code
from gateway.ports.axis import Fate, Outcome
from gateway_foreign.rest.dialect import STATUSES, Dialect, InSentList
from gateway_foreign.rest.systems import System

_MOST_ALIKE = 50
UNKNOWN = "outcome-unknown"


class EnvelopeFields(Protocol):
    """Fields of an envelope, as far as an axis needs them."""

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


ReadFields = Callable[[Callable[[], BinaryIO]], EnvelopeFields | None]
"""Reads the fields of the envelope that the argument opens; None where it is unreadable."""

CompareIdentity = Callable[[System, str, str], Awaitable[bool]]
"""Tells whether the axis's packet with this id has this identity; asked by a system."""

IsOfOtherRecipients = Callable[[str], Awaitable[bool]]


class Doubt:
    """Decides doubtful sends. `resend`: send again where the axis cannot be asked; `settle_s`: time that the axis needs
    to list a packet."""

    def __init__(self, dialect: Dialect, says: CompareIdentity, *, resend: bool, settle_s: float) -> None:
        self._dialect, self._says, self._resend, self._settle_s = dialect, says, resend, settle_s

    async def search(
        self,
        system: System,
        fields: EnvelopeFields | None,
        kind: str,
        routes: Sequence[str],
        ago_s: float,
        is_others: IsOfOtherRecipients,
    ) -> str | Outcome | None:
        """Search the axis for the file. `ago_s`: seconds since the last known try ended; `is_others`: tells whether an
        id of the axis belongs to a packet for other recipients only."""
        if not self._dialect.lists_sent or fields is None:
            if self._resend or kind == STATUSES:
                return None
            if 0 <= ago_s < self._settle_s:
                return unknown_outcome("the line broke while it was sent; its receiver may answer yet")
            detail = (
                "the line broke while it was sent, and this axis cannot be asked whether it has it: ask the receiver, "
                "and send it again only if it is not there"
            )
            return Outcome(fate=Fate.NEVER, code=UNKNOWN, detail=detail, unsure=True)
        alike: dict[str, None] = {}

        def note(line: InSentList) -> None:
            if line.doc_id and len(alike) <= _MOST_ALIKE and _is_alike(line, fields, routes):
                alike[line.doc_id] = None

        await self._dialect.sent_list(system, kind, note)
        for doc_id in list(alike)[:_MOST_ALIKE]:
            if not await is_others(doc_id) and await self._says(system, doc_id, fields.identity):
                return doc_id
        if len(alike) > _MOST_ALIKE:
            return unknown_outcome(
                f"the line broke while it was sent, and more than {_MOST_ALIKE} of what the axis has look like it; "
                "a person decides"
            )
        if 0 <= ago_s < self._settle_s:
            return unknown_outcome(
                "the line broke while it was sent; the axis is asked once more whether it has it"
            )
        return None


def unknown_outcome(detail: str) -> Outcome:
    return Outcome(fate=Fate.RETRY, code=UNKNOWN, detail=detail, unsure=True)


def _is_alike(line: InSentList, fields: EnvelopeFields, routes: Sequence[str]) -> bool:
    """Tell whether this line may be our file: every field that it has must agree."""
    if line.to and fold_code(line.to) not in {fold_code(code) for code in (*routes, *fields.recipients)}:
        return False
    ours = (fields.notation, *fields.notation.split("/", 1))
    if line.notation and fields.notation and line.notation.strip() not in ours:
        return False
    if not line.title or not fields.title:
        return True
    title, full_title = " ".join(line.title.split()), " ".join(fields.title.split())
    return full_title.startswith(title) or title.startswith(full_title)  # the list may cut long titles
