"""Reform of the organisation of agencies on a day: old and new agencies, and the decision. In: a person's statement. Out:
the codes that end and begin, and the successors that get their mail. Frozen values; `registry_change` computes the effect
on the registry, and `policy.reform` decides whether it is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class ReformKind(StrEnum):
    RENAME = "rename"
    RECODE = "recode"
    MERGE = "merge"
    """Agencies end and become part of one that goes on."""
    CONSOLIDATE = "consolidate"
    """Several agencies become a new one."""
    SPLIT = "split"
    DISSOLVE = "dissolve"
    MOVE = "move"
    """An agency moves under another one."""
    CREATE = "create"
    REORGANISE = "reorganise"
    """Several steps of one decision, in order."""


class QueuedMail(StrEnum):
    """Treatment of our mail that still waits to leave for a code on the day when the code ends (R83, closed
    recipients)."""

    REDIRECT = "redirect"
    HOLD = "hold"
    RETURN = "return"


class ReformEffect(StrEnum):
    """Effect of a reform on one code."""

    ENDED = "ended"
    BEGUN = "begun"
    CHANGED = "changed"
    HEIR = "named"
    """The code takes over from another, and is itself unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingDocument:
    """Document that decides a reform (R78, who assigns codes)."""

    number: str
    issued_on: date | None
    issuer: str

    def __str__(self) -> str:
        """Return the number, for the register of an agency."""
        return self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Agency that takes over or begins. For an existing one only the code is set."""

    code: str
    name: str | None = None
    parent: str | None = None
    alias: str | None = None
    host: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reform:
    """Reform as a person states it. `name` belongs to a rename, `parent` to a move, `mail_to` to a split that ends its
    source; without it `triage` must be set, so that persons sort the mail. `base` is the registry that it was planned on.
    With `steps` it has only the decision and its day, which each step repeats."""

    kind: ReformKind
    decision: DecidingDocument
    effective_on: date
    sources: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    name: str | None = None
    parent: str | None = None
    mail_to: str | None = None
    triage: bool = False
    queued: QueuedMail = QueuedMail.HOLD
    base: str = ""
    steps: tuple[Reform, ...] = ()

    @property
    def is_many(self) -> bool:
        return self.kind is ReformKind.REORGANISE or bool(self.steps)

    @property
    def flat(self) -> tuple[Reform, ...]:
        """Steps of the reform; itself, if it has none."""
        return self.steps or (self,)

    @property
    def ended(self) -> tuple[str, ...]:
        """Codes that end. The source of a split goes on if it is also a target."""
        if self.steps:
            return tuple(dict.fromkeys(code for step in self.steps for code in step.ended))
        if self.kind in (ReformKind.RENAME, ReformKind.MOVE, ReformKind.CREATE):
            return ()
        going_on = {target.code for target in self.targets}
        return tuple(code for code in self.sources if code not in going_on)

    @property
    def heirs(self) -> tuple[str, ...]:
        """Codes that take over from ended ones, in the stated order."""
        if self.steps:
            return tuple(dict.fromkeys(code for step in self.steps for code in step.heirs))
        return tuple(target.code for target in self.targets) if self.ended else ()

    @property
    def successor(self) -> str | None:
        """Code that mail to an ended code goes to; None where a person decides, or there is no heir."""
        if self.kind is ReformKind.SPLIT:
            return None if self.triage else self.mail_to
        return self.heirs[0] if self.heirs else None

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code that the reform ends, changes, begins or names as heir, each once."""
        own = [
            code for step in self.flat for code in (*step.sources, *(target.code for target in step.targets))
        ]
        return tuple(dict.fromkeys(own))

    @property
    def involved_codes(self) -> tuple[str, ...]:
        """The codes of the reform, followed by their future parents."""
        above = [code for step in self.flat for code in (step.parent, *(t.parent for t in step.targets))]
        return (*self.codes, *(code for code in above if code))

    @property
    def endings(self) -> Mapping[str, Ending]:
        """How each ended code ends."""
        return {
            code: Ending(
                kind=step.kind,
                decision=step.decision,
                since=step.effective_on,
                heirs=step.heirs,
                successor=step.successor,
                queued=step.queued,
                triage=step.triage,
            )
            for step in self.flat
            for code in step.ended
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Sentence by its key in the label tables: an effect, an objection, or a hint."""

    key: str
    params: Mapping[str, str] = field(default_factory=dict)


class ReformState(StrEnum):
    APPROVED = "approved"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReformRecord:
    """Record of an approved reform, kept for ever. `id` is that of its proposal."""

    id: str
    reform: Reform
    state: ReformState
    proposed_by: str
    approved_by: str
    approved_at: datetime
    undone_by: str | None = None
    undone_at: datetime | None = None
    undone_why: str | None = None
    reported_by: str | None = None
    reported_at: datetime | None = None
    reported_how: str | None = None

    @property
    def people(self) -> frozenset[str]:
        """Ids of all persons with a part in it."""
        return frozenset(filter(None, (self.proposed_by, self.approved_by, self.undone_by, self.reported_by)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyCode:
    """Line of the table of old codes: the heir, the day, the decision. `heir` is None where there is none."""

    code: str
    heir: str | None
    since: date
    decision: DecidingDocument
    kind: ReformKind
    reform_id: str
    is_successor: bool
    """Whether mail to the old code goes to the heir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """End of a code, by the reform that ended it."""

    kind: ReformKind
    decision: DecidingDocument
    since: date
    heirs: tuple[str, ...]
    successor: str | None
    queued: QueuedMail
    triage: bool
