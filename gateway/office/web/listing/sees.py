"""What of lists a person may see (rules 13): whoever sees the agency's all, everything; whoever sees the own unit's, what
that unit was given and what the person handed in; whoever sees metadata, or content by order alone, no content."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.office.domain.listing import Side, person_viewer, unit_viewer
from gateway.office.domain.right import Manner, Right
from gateway.office.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sees:
    """`tags`: also the labels that the agency put on its documents. `unit` is None for those who see all of the agency;
    `person_id` is whose own documents are meant beside it."""

    content: bool
    tags: bool = True
    unit: str | None = None
    person_id: str = ""

    def viewer(self, side: Side) -> str | None:
        """What narrows a list to what this person may see."""
        if self.unit is None:
            return None
        return person_viewer(self.person_id) if side is Side.OUT else unit_viewer(self.unit)


def of(visit: Visit) -> Sees:
    granted = visit.person.require(Right.SEE_CONTENT)
    if granted.manner is Manner.OWN:
        return Sees(content=True, unit=granted.unit, person_id=visit.person.person.id)
    return Sees(content=granted.manner is Manner.YES, tags=granted.manner is not Manner.METADATA)


def same_unit(one: str, other: str) -> bool:
    """As the lists compare departments."""
    return unit_viewer(one) == unit_viewer(other)
