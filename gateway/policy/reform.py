"""May the organisation be changed so, and what will be then? In: a reform, and what the registry knows of every code
that it touches. Out: a `ReformPlan` with each conflict at once, what to look at, the sentences that a person
approves, and the lives before and after. The same for undoing it, and for undoing an import of codes as a whole.
Pure.

A decision may have many steps: each is planned on what the steps before it leave, so that an agency ends and its
units go on under another one on the same day; of these the plan has its totals first."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from gateway.domain import registry_change
from gateway.domain.registry import AgencyCode, BadCode, CodeForm, RowSource
from gateway.domain.registry_change import BuiltOnImport, ImportRecord, Life
from gateway.domain.registry_reform import Reform, ReformKind, ReformRecord, ReformState, Remark, Target
from gateway.policy.reform_words import RegistryView, sentences

MOST_CODES = 200
LONGEST_NAME = 200
UNDO_DAYS = 7
_DAY, _NONE = timedelta(days=1), timedelta()

# Fewest and most sources, then targets.
_SHAPES: Mapping[ReformKind, tuple[int, int, int, int]] = {
    ReformKind.RENAME: (1, 1, 0, 0),
    ReformKind.RECODE: (1, 1, 1, 1),
    ReformKind.MERGE: (1, MOST_CODES, 1, 1),
    ReformKind.CONSOLIDATE: (2, MOST_CODES, 1, 1),
    ReformKind.SPLIT: (1, 1, 2, MOST_CODES),
    ReformKind.DISSOLVE: (1, 1, 0, 1),
    ReformKind.MOVE: (1, MOST_CODES, 0, 0),
    ReformKind.CREATE: (0, 0, 1, MOST_CODES),
}
_ALL_NEW = (ReformKind.RECODE, ReformKind.CONSOLIDATE, ReformKind.CREATE)
_ALL_KNOWN = (ReformKind.MERGE, ReformKind.DISSOLVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReformPlan:
    """What a reform would do. With conflicts it cannot be approved. `base` is the registry that it was planned on."""

    reform: Reform
    conflicts: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    sentences: tuple[Remark, ...] = ()
    before: Mapping[str, Life | None] = field(default_factory=dict)
    after: Mapping[str, Life] = field(default_factory=dict)
    base: str = ""

    @property
    def ready(self) -> Reform:
        """The reform with the registry that it was planned on, as it is proposed."""
        return replace(self.reform, base=self.base)


def plan_step(reform: Reform, view: RegistryView, today: date) -> ReformPlan:
    """Everything that stands against it, or what it would do."""
    conflicts = tuple(_stated(reform))
    if not conflicts:
        conflicts = (*_sources(reform, view), *_targets(reform, view))
    if not conflicts:
        conflicts = tuple(_circles(reform, view))
    if conflicts:
        return refused(reform, view, conflicts)
    return doing(
        reform, view, registry_change.lives_after(reform, view.lives), _warnings(reform, view, today)
    )


def refused(reform: Reform, view: RegistryView, conflicts: Iterable[Remark]) -> ReformPlan:
    return ReformPlan(reform=reform, conflicts=tuple(conflicts), base=_base(reform, view))


def doing(
    reform: Reform, view: RegistryView, changed: Mapping[str, Life], warnings: Iterable[Remark]
) -> ReformPlan:
    """`changed`: what the codes will be after it."""
    return ReformPlan(
        reform=reform,
        warnings=tuple(warnings),
        sentences=tuple(sentences(reform, view, changed)),
        before={code: view.lives.get(code) for code in changed},
        after=changed,
        base=_base(reform, view),
    )


def _base(reform: Reform, view: RegistryView) -> str:
    return registry_change.lives_digest({code: view.lives.get(code) for code in reform.involved_codes})


def moved_ground(reform: Reform, planned: ReformPlan) -> Remark | None:
    """Whether the registry is another one than the one that was proposed on."""
    return Remark(key="moved_ground") if reform.base != planned.base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOn:
    """What stands on a reform: later ones that name its codes, and rows and certificates that lean on codes it began."""

    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()
    documents: Sequence[str] = ()


def undoing(
    record: ReformRecord,
    before: Mapping[str, Life | None],
    after: Mapping[str, Life],
    view: RegistryView,
    built: BuiltOn,
    now: datetime,
) -> tuple[Remark, ...]:
    """Why a reform cannot be undone. It is undone whole, for seven days, unless something was built on it."""
    if record.state is ReformState.UNDONE:
        return (Remark(key="undone_already"),)
    changed = [code for code, life in after.items() if view.lives.get(code) != life]
    leaning = {"row": built.rows, "certificate": built.certificates, "document": built.documents}
    found = _too_late(now - record.approved_at, built.reforms, leaning | {"change": changed})
    if not found:
        restored = {code: life for code, life in view.lives.items() if code not in before}
        restored |= {code: life for code, life in before.items() if life is not None}
        found += _parent_circles(restored, [code for code in before if code in restored], date.min)
    return tuple(found)


def _stated(reform: Reform) -> Iterator[Remark]:
    """What can be said without the registry."""
    decision = reform.decision
    for name, value in (("number", decision.number), ("issuer", decision.issuer)):
        if not value.strip():
            yield Remark(key="no_decision", params={"part": name})
    if decision.issued_on is None:
        yield Remark(key="no_decision", params={"part": "date"})
    least, most, fewest, highest = _SHAPES[reform.kind]
    if not least <= len(reform.sources) <= most or not fewest <= len(reform.targets) <= highest:
        yield Remark(key="shape", params={"kind": str(reform.kind)})
    named = [*reform.sources, *(target.code for target in reform.targets)]
    allowed = reform.sources if reform.kind is ReformKind.SPLIT else ()
    for code in sorted({code for code in named if named.count(code) > (2 if code in allowed else 1)}):
        yield Remark(key="repeated", params={"code": code})
    if reform.kind is ReformKind.RENAME and not _is_name(reform.name):
        yield Remark(key="bad_name", params={"code": reform.codes[0] if reform.codes else ""})
    if reform.kind is ReformKind.MOVE and not reform.parent:
        yield Remark(key="no_parent")
    yield from _mail(reform)


def _mail(reform: Reform) -> Iterator[Remark]:
    """A split that ends its source says who gets the mail, or that a person decides."""
    ends = reform.kind is ReformKind.SPLIT and bool(reform.ended)
    if ends and (reform.mail_to is None) != reform.triage:
        yield Remark(key="mail_rule")
    if reform.mail_to is not None and (not ends or reform.mail_to not in reform.heirs):
        yield Remark(key="mail_not_heir", params={"code": reform.mail_to})
    if reform.triage and not ends:
        yield Remark(key="mail_rule")


def _sources(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    on = reform.effective_on
    for code in reform.sources:
        life = view.lives.get(code)
        told = {"code": code, "on": on.isoformat()}
        if life is None:
            yield Remark(key="unknown", params=told)
            continue
        record = life.record
        if record.valid_to is not None:
            yield Remark(key="ends_already", params=told | {"day": record.valid_to.isoformat()})
        if record.valid_from is not None and on <= record.valid_from:
            yield Remark(key="not_begun", params=told | {"day": record.valid_from.isoformat()})
        if life.last_turn is not None and on < life.last_turn + (_DAY if code in reform.ended else _NONE):
            yield Remark(key="turned_later", params=told | {"day": life.last_turn.isoformat()})
        if reform.kind is ReformKind.RENAME and record.name == reform.name:
            yield Remark(key="same_name", params=told)
        if reform.kind is ReformKind.MOVE and record.parent == reform.parent:
            yield Remark(key="same_parent", params=told)
    if reform.kind is ReformKind.MOVE:
        yield from _parent(view, reform.parent, on)


def _targets(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    own = {target.code for target in reform.targets}
    for target in reform.targets:
        life = view.lives.get(target.code)
        told = {"code": target.code, "on": reform.effective_on.isoformat()}
        if life is None and reform.kind in _ALL_KNOWN:
            yield Remark(key="unknown", params=told)
        elif life is None:
            yield from _new(reform, target, view, own)
        elif reform.kind in _ALL_NEW:
            # A code is never given again, not even after its end (R82).
            yield Remark(key="taken", params=told | {"name": life.record.name})
        elif not life.in_force(reform.effective_on):
            heir = registry_change.heir_on(view.lives, target.code, reform.effective_on)
            yield Remark(key="heir_not_in_force", params=told | {"heir": heir or "–"})


def _new(reform: Reform, target: Target, view: RegistryView, own: set[str]) -> Iterator[Remark]:
    told = {"code": target.code}
    try:
        if AgencyCode.parse(target.code).form is not CodeForm.NEW:
            yield Remark(key="old_form", params=told)
    except BadCode as cause:
        yield Remark(key="bad_code", params=told | {"why": str(cause)})
        return
    if target.code in view.aliases:
        yield Remark(key="taken", params=told | {"name": view.aliases[target.code]})
    # Whose code alone is new keeps the name that it has, where none is said.
    keeps_name = reform.kind is ReformKind.RECODE and target.name is None
    if not keeps_name and not _is_name(target.name):
        yield Remark(key="bad_name", params=told)
    if target.alias is not None:
        yield from _alias(target, target.alias, view)
    if target.parent is not None and target.parent not in own:
        yield from _parent(view, target.parent, reform.effective_on)


def _alias(target: Target, alias: str, view: RegistryView) -> Iterator[Remark]:
    """An old form must lead to one agency, and must not hide a code in use."""
    owner = alias if alias in view.lives else view.aliases.get(alias)
    if owner is not None or alias == target.code:
        yield Remark(key="alias_taken", params={"code": target.code, "alias": alias, "owner": owner or alias})
        return
    try:
        AgencyCode.parse(alias)
    except BadCode as cause:
        yield Remark(key="bad_code", params={"code": alias, "why": str(cause)})


def _parent(view: RegistryView, parent: str | None, on: date) -> Iterator[Remark]:
    life = view.lives.get(parent or "")
    if parent and life is None:
        yield Remark(key="unknown", params={"code": parent, "on": on.isoformat()})
    elif life is not None and not life.in_force(on):
        yield Remark(key="parent_not_in_force", params={"code": parent or "", "on": on.isoformat()})


def _circles(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    """Neither the chain of successors nor that of parents may come back to where it began, on any day."""
    afterwards = {**view.lives, **registry_change.lives_after(reform, view.lives)}
    for code in reform.ended:
        for heir in reform.heirs:
            if code in registry_change.successors(afterwards, heir):
                yield Remark(key="successor_circle", params={"code": code, "heir": heir})
    begun = [target.code for target in reform.targets if target.code not in view.lives]
    yield from _parent_circles(afterwards, [*reform.sources, *begun], reform.effective_on)


def _parent_circles(lives: Mapping[str, Life], codes: Sequence[str], since: date) -> list[Remark]:
    return [
        Remark(key="parent_circle", params={"code": code})
        for code in codes
        if any(
            code in registry_change.parents_of(lives, code, day)
            for day in registry_change.turning_days(lives, since)
        )
    ]


def _warnings(reform: Reform, view: RegistryView, today: date) -> Iterator[Remark]:
    on = reform.effective_on
    if on < today:
        yield Remark(key="past", params={"on": on.isoformat()})
    if reform.decision.issued_on is not None and reform.decision.issued_on > on:
        yield Remark(key="decided_later", params={"on": on.isoformat()})
    for code in reform.ended:
        if view.below.get(code):
            yield Remark(key="units_below", params={"code": code, "count": str(len(view.below[code]))})
    for code in reform.codes:
        if code in view.same_name:
            yield Remark(key="name_shared", params={"code": code, "other": view.same_name[code]})
        life = view.lives.get(code)
        if life is not None and life.source is RowSource.STARTER:
            yield Remark(key="starter", params={"code": code})
    if reform.kind is ReformKind.MOVE:
        for code in reform.sources:
            if not code.startswith(f"{reform.parent}."):
                yield Remark(key="code_says_otherwise", params={"code": code, "parent": reform.parent or ""})


def _is_name(name: str | None) -> bool:
    """R84: a name in full, on one line, in composed letters."""
    if name is None or not 2 <= len(name) <= LONGEST_NAME or name != name.strip():
        return False
    return name.isprintable() and unicodedata.is_normalized("NFC", name) and any(map(str.isalpha, name))


MOST_STEPS = 500
MOST_CODES_OF_ALL = 5_000
_ONCE = ("past", "decided_later")  # said of the whole decision, not of each step


def plan_reform(reform: Reform, view: RegistryView, today: date) -> ReformPlan:
    """Everything that stands against it, or what it would do."""
    if not reform.is_many:
        return plan_step(reform, view, today)
    if conflicts := tuple(_stated_of_whole(reform)):
        return refused(reform, view, conflicts)
    now, changed = dict(view.lives), dict[str, Life]()
    against: list[Remark] = []
    warnings: list[Remark] = []
    aliases = dict(view.aliases)
    for step in reform.steps:
        planned = plan_step(step, replace(view, lives=now, aliases=aliases, below={}), today)
        against += planned.conflicts
        warnings += [each for each in planned.warnings if each.key not in _ONCE or each not in warnings]
        now |= planned.after
        changed |= planned.after
        aliases |= {target.alias: target.code for target in step.targets if target.alias}
    if against:
        return refused(reform, view, against)
    return doing(reform, view, changed, (*warnings, *_left_below(reform, view.below, changed)))


def moving_units(reform: Reform, below: Mapping[str, Sequence[str]]) -> Reform:
    """The same, with the units directly below each code that ends moved under who takes over, in the same decision. Units
    that the decision itself names stay as it says; where nobody takes over nobody can be moved."""
    named = set(reform.codes)
    moves: dict[str, list[str]] = {}
    for step in reform.flat:
        for code in step.ended:
            if step.successor is not None:
                units = [unit for unit in below.get(code, ()) if unit not in named]
                moves.setdefault(step.successor, []).extend(units)
    added = [
        Reform(
            kind=ReformKind.MOVE,
            decision=reform.decision,
            effective_on=reform.effective_on,
            sources=tuple(units[start : start + MOST_CODES]),
            parent=heir,
        )
        for heir, units in moves.items()
        for start in range(0, len(units), MOST_CODES)
    ]
    return joined([*reform.flat, *added]) if added else reform


def joined(steps: Sequence[Reform]) -> Reform:
    """These steps as one decision, which is that of the first."""
    first = steps[0]
    return Reform(
        kind=ReformKind.REORGANISE,
        decision=first.decision,
        effective_on=first.effective_on,
        queued=first.queued,
        steps=tuple(steps),
    )


def _stated_of_whole(reform: Reform) -> Iterator[Remark]:
    """What can be said of the whole without the registry; each step is judged by itself afterwards."""
    if not 1 <= len(reform.steps) <= MOST_STEPS or len(reform.codes) > MOST_CODES_OF_ALL:
        yield Remark(key="too_many", params={"steps": str(MOST_STEPS), "codes": str(MOST_CODES_OF_ALL)})
    whole = (reform.decision, reform.effective_on)
    for n, step in enumerate(reform.steps, 1):
        if step.is_many or step.triage or (step.decision, step.effective_on) != whole:
            yield Remark(key="bad_step", params={"n": str(n)})


def _left_below(
    reform: Reform, below: Mapping[str, Sequence[str]], changed: Mapping[str, Life]
) -> Iterator[Remark]:
    """Units that neither end nor move with what they stand under."""
    for code in reform.ended:
        left = [
            unit for unit in below.get(code, ()) if unit not in changed or changed[unit].record.parent == code
        ]
        if left:
            yield Remark(key="units_below", params={"code": code, "count": str(len(left))})


MOST_SAID = 20


def undoing_import(
    record: ImportRecord, built: BuiltOnImport, exchanged: Sequence[str], now: datetime
) -> tuple[Remark, ...]:
    """`exchanged`: those of its new codes under which a document came or went."""
    if record.undone_at is not None:
        return (Remark(key="undone_already"),)
    leaning = {"row": built.rows, "certificate": built.certificates, "document": exchanged}
    said = {of: codes[:MOST_SAID] for of, codes in (leaning | {"change": built.changed}).items()}
    return tuple(_too_late(now - record.at, built.reforms[:MOST_SAID], said))


def _too_late(age: timedelta, reforms: Sequence[str], leaning: Mapping[str, Sequence[str]]) -> list[Remark]:
    """Time has passed, or something was built on it; `leaning` has the codes by what of theirs leans on it."""
    found = []
    if age > timedelta(days=UNDO_DAYS):
        found.append(Remark(key="undo_late", params={"days": str(UNDO_DAYS)}))
    found += [Remark(key="built_reform", params={"reform": id}) for id in reforms]
    for of, codes in leaning.items():
        found += [Remark(key=f"built_{of}", params={"code": code}) for code in codes]
    return found
