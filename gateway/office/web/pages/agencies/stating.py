"""A change of the organisation as it is typed, step by step. In: the fields that the pages carry from step to step. Out:
the `Reform` that is meant, or what is wrong with each field. Pure: what the registry says to it is asked elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind, Target
from gateway.domain.unicode_form import nfc
from gateway.office.web import dates

TRIAGE = "triage"
STEPS = ("kind", "who", "decision", "consequences", "preview")
LONGEST = 8_000
MOST_ROWS = 40
_FEWEST_ROWS = 3
_TARGET = ("code", "name", "parent", "alias")
_OF_STEP = {
    1: ("kind",),
    3: ("number", "issued", "issuer", "effective"),
    4: ("queued", "mail", "units"),
    5: ("reason", "base"),
}
_PLAIN = (
    *("kind", "sources", "name", "parent", "number", "issued", "issuer", "effective"),
    *("queued", "mail", "units", "reason", "base", "rows"),
)
# Many steps are one of these, and what follows from it.
STATED = tuple(each for each in ReformKind if each is not ReformKind.REORGANISE)
MOVE_UNITS = "move"
_MANY_SOURCES = (ReformKind.MERGE, ReformKind.CONSOLIDATE, ReformKind.MOVE)
_KNOWN_TARGET = (ReformKind.MERGE, ReformKind.DISSOLVE)
_NEW_TARGET = (ReformKind.RECODE, ReformKind.CONSOLIDATE)
_MANY_TARGETS = (ReformKind.SPLIT, ReformKind.CREATE)

Faults = list[tuple[str, str]]
"""A field and the key of what is wrong with it: `missing` or `day`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What was said so far. Fields that nobody filled in are empty."""

    fields: Mapping[str, str]
    today: date

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def kind(self) -> ReformKind | None:
        given = self.text("kind")
        return ReformKind(given) if given in STATED else None

    @property
    def has_sources(self) -> bool:
        return self.kind is not ReformKind.CREATE

    @property
    def has_many_sources(self) -> bool:
        return self.kind in _MANY_SOURCES

    @property
    def has_known_target(self) -> bool:
        return self.kind in _KNOWN_TARGET

    @property
    def rows(self) -> int:
        """How many agencies that take over or begin can be typed."""
        if self.kind in _NEW_TARGET:
            return 1
        if self.kind not in _MANY_TARGETS:
            return 0
        given = self.text("rows")
        asked = int(given) if given.isascii() and given.isdigit() and len(given) < 4 else _FEWEST_ROWS
        filled = [n for n in range(1, MOST_ROWS + 1) if self.text(f"code_{n}")]
        return min(max(asked, _FEWEST_ROWS, *filled), MOST_ROWS)

    @property
    def has_more_rows(self) -> bool:
        return self.kind in _MANY_TARGETS and self.rows < MOST_ROWS

    @property
    def sources(self) -> tuple[str, ...]:
        """As they were typed, one on a line or apart by commas."""
        found = [" ".join(each.split()) for each in re.split(r"[\n,;]", self.text("sources"))]
        return tuple(each for each in found if each) if self.has_sources else ()

    @property
    def targets(self) -> tuple[Target, ...]:
        count = 1 if self.has_known_target else self.rows
        return tuple(
            self._target(n) for n in range(1, count + 1) if any(self.text(f"{each}_{n}") for each in _TARGET)
        )

    def hidden(self, step: int) -> dict[str, str]:
        """What a step carries for the others."""
        own = {"step", "at", *_OF_STEP.get(step, ())}
        if step == 2:
            own |= {"sources", "name", "parent", "rows"}
            own |= {f"{each}_{n}" for each in _TARGET for n in range(1, self.rows + 2)}
        return {name: value for name, value in self.fields.items() if value and name not in own}

    def faults(self, step: int) -> Faults:
        """What a step still lacks."""
        match step:
            case 1:
                return [] if self.kind is not None else [("kind", "missing")]
            case 2:
                return self._who()
            case 3:
                return self._decision()
        return []

    def reform(self) -> Reform:
        """Only when the steps lack nothing."""
        if self.kind is None or (effective := dates.day(self.text("effective"), self.today)) is None:
            raise ValueError("the kind and the effective day come first")
        mail = self.text("mail")
        queued = self.text("queued")
        made = Reform(
            kind=self.kind,
            decision=DecidingDocument(
                number=self.text("number"),
                issued_on=dates.day(self.text("issued"), self.today),
                issuer=self.text("issuer"),
            ),
            effective_on=effective,
            sources=self.sources,
            targets=self.targets,
            name=self.text("name") if self.kind is ReformKind.RENAME else None,
            parent=self.text("parent").upper() if self.kind is ReformKind.MOVE else None,
            queued=QueuedMail(queued) if queued in tuple(QueuedMail) else QueuedMail.HOLD,
        )
        if self.kind is ReformKind.SPLIT and made.ended:
            return replace(made, triage=mail == TRIAGE, mail_to=mail if mail in made.heirs else None)
        return made

    def _who(self) -> Faults:
        found: Faults = []
        if self.has_sources and not self.sources:
            found.append(("sources", "missing"))
        if self.kind is ReformKind.RENAME and not self.text("name"):
            found.append(("name", "missing"))
        if self.kind is ReformKind.MOVE and not self.text("parent"):
            found.append(("parent", "missing"))
        is_wanted = self.kind is ReformKind.MERGE or self.rows
        if is_wanted and not self.targets:
            found.append(("code_1", "missing"))
        if self.kind in (ReformKind.CONSOLIDATE, ReformKind.CREATE):
            found += [
                (f"name_{n}", "missing")
                for n in range(1, self.rows + 1)
                if self.text(f"code_{n}") and not self.text(f"name_{n}")
            ]
        return found

    def _decision(self) -> Faults:
        found: Faults = [(name, "missing") for name in _OF_STEP[3] if not self.text(name)]
        found += [
            (name, "day")
            for name in ("issued", "effective")
            if self.text(name) and dates.day(self.text(name), self.today) is None
        ]
        return found

    def _target(self, n: int) -> Target:
        def given(name: str) -> str | None:
            return self.text(f"{name}_{n}") or None

        if self.has_known_target:
            return Target(code=self.text(f"code_{n}").upper())
        parent, alias = given("parent"), given("alias")
        return Target(
            code=self.text(f"code_{n}").upper(),
            name=given("name"),
            parent=parent and parent.upper(),
            alias=alias and alias.upper(),
        )


def read(given: Mapping[str, str], today: date) -> Stated:
    """Out of the address or of the form; what belongs to no step is left out."""
    names = {*_PLAIN, *(f"{each}_{n}" for each in _TARGET for n in range(1, MOST_ROWS + 1))}
    fields = {name: _clean(value) for name, value in given.items() if name in names}
    return Stated(fields=fields, today=today)


def _clean(text: str) -> str:
    return nfc(text[:LONGEST].replace("\r\n", "\n").replace("\x00", "")).strip()
