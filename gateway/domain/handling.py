"""Work on a document within the agency: the part of each unit, and its deadline. A part is made once and ends once: done,
handed back by the unit's head, or replaced by another assignment. A part that was handed back waits for another
assignment. A part may be of a named person of the unit, and it may be for information alone: then it has no deadline, and
ends when it was seen. Other agencies do not learn of parts; the sender gets 04 once. Also the units of an agency, as a
tree. Frozen values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.domain.document import Assignment
from gateway.domain.text import fold


class PartState(StrEnum):
    """The texts are under `part.…` in the labels. All states but the first two are final."""

    OPEN = "open"
    RETURNED = "returned"
    """Handed back, and waiting for another assignment."""
    SETTLED = "settled"
    """Handed back, and assigned again since."""
    DONE = "done"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPart:
    """Part of one unit in one document, or of the named person of it. `given_by` and `ended_by` are principals. With
    `is_informed` the unit or person only sees the document."""

    id: str
    document_id: str
    unit: str
    is_lead: bool
    deadline: date | None
    given_by: str
    given_at: datetime
    state: PartState = PartState.OPEN
    ended_by: str | None = None
    ended_at: datetime | None = None
    why: str = ""
    person_id: str | None = None
    is_informed: bool = False

    def is_late(self, today: date) -> bool:
        return self.state is PartState.OPEN and self.deadline is not None and self.deadline < today

    @property
    def key(self) -> str:
        return unit_key(self.unit)


def unit_key(unit: str) -> str:
    """Return the key of a unit, which is the same for all spellings of its name."""
    return fold(unit)


class RequiredPart(NamedTuple):
    """Part that an assignment makes."""

    unit: str
    person_id: str | None
    is_lead: bool
    is_informed: bool
    deadline: date | None

    @property
    def key(self) -> tuple[object, ...]:
        """Return the key that an existing part of the same kind has too."""
        return (unit_key(self.unit), *self[1:])


def required_parts(assignment: Assignment) -> tuple[RequiredPart, ...]:
    """Return the parts that the assignment makes, the leading one first. A coordinating unit without a deadline of its own
    has the assignment's."""
    own_deadlines = {unit_key(d.unit): d.deadline for d in assignment.deadlines}
    lead_key = unit_key(assignment.lead_unit)
    helping = [unit for unit in assignment.coordinating_units if unit_key(unit) != lead_key]
    parts = []
    for unit in (assignment.lead_unit, *helping):
        person_ids = [p.person for p in assignment.persons if unit_key(p.unit) == unit_key(unit)]
        day = own_deadlines.get(unit_key(unit), assignment.deadline)
        for n, person_id in enumerate(person_ids or (None,)):
            is_lead = unit_key(unit) == lead_key and n == 0
            parts.append(
                RequiredPart(unit, person_id, is_lead, False, assignment.deadline if is_lead else day)
            )
    working = {(unit_key(part.unit), part.person_id) for part in parts}
    informed = [
        RequiredPart(entry.unit, entry.person, False, True, None)
        for entry in assignment.informed
        if (unit_key(entry.unit), entry.person) not in working
    ]
    return (*parts, *dict.fromkeys(informed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Extent of an agency's work that concerns one person: parts of the units whose keys are `units`, unless they are a
    named person's; every part of the units that the person leads (`leading`); and parts of these `persons`."""

    units: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    persons: frozenset[str] = frozenset()

    def covers(self, key: str, person_id: str | None) -> bool:
        """Tell whether a part of the unit with this key, or of that person of it, concerns the person."""
        return key in self.leading or (key in self.units if person_id is None else person_id in self.persons)

    def covers_assignment(self, assignment: Assignment | None) -> bool:
        """Tell whether the assignment makes a part that concerns the person, also one for information alone."""
        return any(self._covered(assignment))

    def works_on(self, assignment: Assignment | None) -> bool:
        """Tell whether the assignment makes a part with work that concerns the person."""
        return any(not part.is_informed for part in self._covered(assignment))

    def _covered(self, assignment: Assignment | None) -> Iterator[RequiredPart]:
        parts = required_parts(assignment) if assignment is not None else ()
        return (part for part in parts if self.covers(unit_key(part.unit), part.person_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of an agency. `former` are the names that it had before; no other unit takes one of them."""

    id: str
    name: str
    parent_id: str | None = None
    position: int = 0
    former: tuple[str, ...] = ()
    closed_at: datetime | None = None

    @property
    def key(self) -> str:
        return unit_key(self.name)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of all names that it has or had."""
        return (self.key, *map(unit_key, self.former))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMember:
    """Person who holds a post in a unit. `login` is the sign-in name, where there is one."""

    person_id: str
    name: str
    login: str | None
    unit: str
    leads: bool


def walk_tree(units: Iterable[Unit]) -> Iterator[tuple[Unit, int]]:
    """Yield the units in the order of their tree, each with its depth. A unit whose parent is closed stands at the top."""
    listed = sorted(units, key=lambda unit: (unit.position, unit.key))
    ids = {unit.id for unit in listed}
    children: dict[str | None, list[Unit]] = {}
    for unit in listed:
        children.setdefault(unit.parent_id if unit.parent_id in ids else None, []).append(unit)

    def walk(parent_id: str | None, depth: int) -> Iterator[tuple[Unit, int]]:
        for unit in children.get(parent_id, ()):
            yield unit, depth
            yield from walk(unit.id, depth + 1)

    return walk(None, 0)


def is_below(units: Sequence[Unit], id: str, above_id: str) -> bool:
    """Tell whether the unit `id` is `above_id` or stands anywhere under it."""
    parents = {unit.id: unit.parent_id for unit in units}
    at: str | None = id
    while at is not None and at != above_id:
        at = parents.get(at)
    return at == above_id
