"""Plans changes of the organisation. In: a reform, and the registry's view of every code that it touches. Out: a
`ReformPlan` with all conflicts, warnings, the sentences that a person approves, and the lives of the codes before and
after; likewise obstacles to undoing a reform or an import of codes. Pure.

A decision may have many steps: each is planned on the outcome of the steps before it, so that an agency may end and its
units move under another one on the same day; the sentences of such a plan begin with totals."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from gateway.domain import registry_change
from gateway.domain.registry import PENDING_SCHEME, AgencyCode, BadCode, CodeForm, RowSource
from gateway.domain.registry_change import BuiltOnImport, ImportRecord, Life, RegistryView
from gateway.domain.registry_reform import Reform, ReformKind, ReformRecord, ReformState, Remark, Target
from gateway.policy.reform_words import sentences

MOST_CODES = 200
LONGEST_NAME = 200
UNDO_DAYS = 7
_DAY, _NONE = timedelta(days=1), timedelta()

# Least and most sources, then least and most targets.
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
_TARGETS_NEW = (ReformKind.RECODE, ReformKind.CONSOLIDATE, ReformKind.CREATE)
_TARGETS_EXIST = (ReformKind.MERGE, ReformKind.DISSOLVE)
MOST_STEPS = 5_000
MOST_CODES_OF_ALL = 10_000
_ONCE = ("past", "decided_later")  # warnings about the whole decision, not each step
MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReformPlan:
    """Effects of a reform; with conflicts it cannot be approved. `base` is a digest of the codes' state in the registry
    that it was planned on."""

    reform: Reform
    conflicts: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()
    sentences: tuple[Remark, ...] = ()
    lives_before: Mapping[str, Life | None] = field(default_factory=dict)
    lives_after: Mapping[str, Life] = field(default_factory=dict)
    base: str = ""

    @property
    def ready(self) -> Reform:
        """The reform to propose, with the state of the registry that it was planned on."""
        return replace(self.reform, base=self.base)


def plan_step(reform: Reform, view: RegistryView, today: date) -> ReformPlan:
    """Plan one step: return a plan with every conflict, or with its effects."""
    conflicts = tuple(_check_statement(reform))
    if not conflicts:
        conflicts = (*_check_sources(reform, view), *_check_targets(reform, view))
    if not conflicts:
        conflicts = tuple(_check_circles(reform, view))
    if conflicts:
        return refuse_plan(reform, view, conflicts)
    return make_plan(
        reform, view, registry_change.lives_after(reform, view.lives), _warnings(reform, view, today)
    )


def refuse_plan(reform: Reform, view: RegistryView, conflicts: Iterable[Remark]) -> ReformPlan:
    return ReformPlan(reform=reform, conflicts=tuple(conflicts), base=_base(reform, view))


def make_plan(
    reform: Reform, view: RegistryView, changed: Mapping[str, Life], warnings: Iterable[Remark]
) -> ReformPlan:
    """Return the plan of a reform without conflicts. `changed`: the lives of the codes after it."""
    return ReformPlan(
        reform=reform,
        warnings=tuple(warnings),
        sentences=tuple(sentences(reform, view, changed)),
        lives_before={code: view.lives.get(code) for code in changed},
        lives_after=changed,
        base=_base(reform, view),
    )


def _base(reform: Reform, view: RegistryView) -> str:
    return registry_change.lives_digest({code: view.lives.get(code) for code in reform.involved_codes})


def check_base(reform: Reform, planned: ReformPlan) -> Remark | None:
    """Return a conflict where the registry has changed since the reform was proposed."""
    return Remark(key="moved_ground") if reform.base != planned.base else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOn:
    """Records that depend on a reform: later reforms that name its codes, and rows, certificates and documents of codes
    that it began."""

    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()
    documents: Sequence[str] = ()


def undo_obstacles(
    record: ReformRecord,
    lives_before: Mapping[str, Life | None],
    lives_after: Mapping[str, Life],
    view: RegistryView,
    built: BuiltOn,
    now: datetime,
) -> tuple[Remark, ...]:
    """Return why a reform cannot be undone; empty where it can. It can be undone as a whole within seven days, unless
    something depends on it."""
    if record.state is ReformState.UNDONE:
        return (Remark(key="undone_already"),)
    changed = [code for code, life in lives_after.items() if view.lives.get(code) != life]
    leaning = {"row": built.rows, "certificate": built.certificates, "document": built.documents}
    remarks = _undo_bars(now - record.approved_at, built.reforms, leaning | {"change": changed})
    if not remarks:
        restored = {code: life for code, life in view.lives.items() if code not in lives_before}
        restored |= {code: life for code, life in lives_before.items() if life is not None}
        remarks += _parent_circles(restored, [code for code in lives_before if code in restored], date.min)
    return tuple(remarks)


def _check_statement(reform: Reform) -> Iterator[Remark]:
    """Check the reform by itself, without the registry."""
    decision = reform.decision
    for name, value in (("number", decision.number), ("issuer", decision.issuer)):
        if not value.strip():
            yield Remark(key="no_decision", params={"part": name})
    if decision.issued_on is None:
        yield Remark(key="no_decision", params={"part": "date"})
    least, most, fewest, highest = _SHAPES[reform.kind]
    if not least <= len(reform.sources) <= most or not fewest <= len(reform.targets) <= highest:
        yield Remark(key="shape", params={"kind": str(reform.kind)})
    codes = [*reform.sources, *(target.code for target in reform.targets)]
    allowed = reform.sources if reform.kind is ReformKind.SPLIT else ()
    for code in sorted({code for code in codes if codes.count(code) > (2 if code in allowed else 1)}):
        yield Remark(key="repeated", params={"code": code})
    if reform.kind is ReformKind.RENAME and not _is_name(reform.name):
        yield Remark(key="bad_name", params={"code": reform.codes[0] if reform.codes else ""})
    if reform.kind is ReformKind.MOVE and not reform.parent:
        yield Remark(key="no_parent")
    yield from _check_mail(reform)


def _check_mail(reform: Reform) -> Iterator[Remark]:
    """Check that a split that ends its source says where its mail goes, or that a person decides."""
    ends = reform.kind is ReformKind.SPLIT and bool(reform.ended)
    if ends and (reform.mail_to is None) != reform.triage:
        yield Remark(key="mail_rule")
    if reform.mail_to is not None and (not ends or reform.mail_to not in reform.heirs):
        yield Remark(key="mail_not_heir", params={"code": reform.mail_to})
    if reform.triage and not ends:
        yield Remark(key="mail_rule")


def _check_sources(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    on = reform.effective_on
    for code in reform.sources:
        life = view.lives.get(code)
        params = {"code": code, "on": on.isoformat()}
        if life is None:
            yield Remark(key="unknown", params=params)
            continue
        record = life.record
        if record.valid_to is not None:
            yield Remark(key="ends_already", params=params | {"day": record.valid_to.isoformat()})
        # A body without a code may get it on its first day; a code needs a day of its own before it ends.
        least = _NONE if record.scheme == PENDING_SCHEME else _DAY
        if record.valid_from is not None and on < record.valid_from + least:
            yield Remark(key="not_begun", params=params | {"day": record.valid_from.isoformat()})
        if life.last_turn is not None and on < life.last_turn + (_DAY if code in reform.ended else _NONE):
            yield Remark(key="turned_later", params=params | {"day": life.last_turn.isoformat()})
        if reform.kind is ReformKind.RENAME and record.name == reform.name:
            yield Remark(key="same_name", params=params)
        if reform.kind is ReformKind.MOVE and record.parent == reform.parent:
            yield Remark(key="same_parent", params=params)
    if reform.kind is ReformKind.MOVE:
        yield from _check_parent(view, reform.parent, on)


def _check_targets(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    own = {target.code for target in reform.targets}
    for target in reform.targets:
        life = view.lives.get(target.code)
        params = {"code": target.code, "on": reform.effective_on.isoformat()}
        if life is None and reform.kind in _TARGETS_EXIST:
            yield Remark(key="unknown", params=params)
        elif life is None:
            yield from _check_new(reform, target, view, own)
        elif reform.kind in _TARGETS_NEW:
            # A code is never reused, not even after its end (R82, codes are unique for ever).
            yield Remark(key="taken", params=params | {"name": life.record.name})
        elif not life.in_force(reform.effective_on):
            heir = registry_change.heir_on(view.lives, target.code, reform.effective_on)
            yield Remark(key="heir_not_in_force", params=params | {"heir": heir or "–"})
        elif life.record.scheme == PENDING_SCHEME:
            yield Remark(key="heir_without_code", params=params)


def _check_new(reform: Reform, target: Target, view: RegistryView, own: set[str]) -> Iterator[Remark]:
    params = {"code": target.code}
    try:
        if AgencyCode.parse(target.code).form is not CodeForm.NEW:
            yield Remark(key="old_form", params=params)
    except BadCode as cause:
        yield Remark(key="bad_code", params=params | {"why": str(cause)})
        return
    if target.code in view.aliases:
        yield Remark(key="taken", params=params | {"name": view.aliases[target.code]})
    # An agency that only gets a new code keeps its name where none is stated.
    keeps_name = reform.kind is ReformKind.RECODE and target.name is None
    if not keeps_name and not _is_name(target.name):
        yield Remark(key="bad_name", params=params)
    if target.alias is not None:
        yield from _check_alias(target, target.alias, view)
    if target.parent is not None and target.parent not in own:
        yield from _check_parent(view, target.parent, reform.effective_on)


def _check_alias(target: Target, alias: str, view: RegistryView) -> Iterator[Remark]:
    """Check that an old code leads to one agency, and does not hide a code in use."""
    owner = alias if alias in view.lives else view.aliases.get(alias)
    if owner is not None or alias == target.code:
        yield Remark(key="alias_taken", params={"code": target.code, "alias": alias, "owner": owner or alias})
        return
    try:
        AgencyCode.parse(alias)
    except BadCode as cause:
        yield Remark(key="bad_code", params={"code": alias, "why": str(cause)})


def _check_parent(view: RegistryView, parent: str | None, on: date) -> Iterator[Remark]:
    life = view.lives.get(parent or "")
    if parent and life is None:
        yield Remark(key="unknown", params={"code": parent, "on": on.isoformat()})
    elif life is not None and not life.in_force(on):
        yield Remark(key="parent_not_in_force", params={"code": parent or "", "on": on.isoformat()})


def _check_circles(reform: Reform, view: RegistryView) -> Iterator[Remark]:
    """Check that neither successors nor parents form a circle, on any day."""
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
    """Check R84 (names): of full length, on one line, in composed letters."""
    if name is None or not 2 <= len(name) <= LONGEST_NAME or name != name.strip():
        return False
    return name.isprintable() and unicodedata.is_normalized("NFC", name) and any(map(str.isalpha, name))


def plan_reform(reform: Reform, view: RegistryView, today: date) -> ReformPlan:
    """Plan a reform of one or many steps: return a plan with every conflict, or with its effects."""
    if not reform.is_many:
        return plan_step(reform, view, today)
    if conflicts := tuple(_check_steps(reform)):
        return refuse_plan(reform, view, conflicts)
    lives, changed = dict(view.lives), dict[str, Life]()
    against: list[Remark] = []
    warnings: list[Remark] = []
    aliases = dict(view.aliases)
    for step in reform.steps:
        planned = plan_step(step, replace(view, lives=lives, aliases=aliases, below={}), today)
        against += planned.conflicts
        warnings += [w for w in planned.warnings if w.key not in _ONCE or w not in warnings]
        lives |= planned.lives_after
        changed |= planned.lives_after
        aliases |= {target.alias: target.code for target in step.targets if target.alias}
    if against:
        return refuse_plan(reform, view, against)
    return make_plan(reform, view, changed, (*warnings, *_units_left(reform, view.below, changed)))


def add_unit_moves(reform: Reform, below: Mapping[str, Sequence[str]]) -> Reform:
    """Return the decision with moves added: the units directly below each ending code go under its successor. Units that
    the decision names stay as it says; without a successor no unit is moved."""
    named_codes = set(reform.codes)
    moves: dict[str, list[str]] = {}
    for step in reform.flat:
        for code in step.ended:
            if step.successor is not None:
                units = [unit for unit in below.get(code, ()) if unit not in named_codes]
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
    return join_steps([*reform.flat, *added]) if added else reform


def split_recodes(reform: Reform) -> Reform:
    """Return the decision with a step for each code of a recode that names several, in pairs of source and target."""
    steps = [pair for step in reform.flat for pair in _split_recode(step)]
    return reform if len(steps) == len(reform.flat) else join_steps(steps)


def _split_recode(step: Reform) -> Sequence[Reform]:
    if step.kind is not ReformKind.RECODE or len(step.sources) != len(step.targets):
        return (step,)
    pairs = zip(step.sources, step.targets, strict=True)
    return [replace(step, sources=(source,), targets=(target,)) for source, target in pairs]


def join_steps(steps: Sequence[Reform]) -> Reform:
    """Join steps into one decision, with the first step's decision and date."""
    first = steps[0]
    return Reform(
        kind=ReformKind.REORGANISE,
        decision=first.decision,
        effective_on=first.effective_on,
        queued=first.queued,
        steps=tuple(steps),
    )


def _check_steps(reform: Reform) -> Iterator[Remark]:
    """Check the steps as a whole, without the registry; each step is checked by itself afterwards."""
    if not 1 <= len(reform.steps) <= MOST_STEPS or len(reform.codes) > MOST_CODES_OF_ALL:
        yield Remark(key="too_many", params={"steps": str(MOST_STEPS), "codes": str(MOST_CODES_OF_ALL)})
    expected = (reform.decision, reform.effective_on)
    for n, step in enumerate(reform.steps, 1):
        if step.is_many or step.triage or (step.decision, step.effective_on) != expected:
            yield Remark(key="bad_step", params={"n": str(n)})


def _units_left(
    reform: Reform, below: Mapping[str, Sequence[str]], changed: Mapping[str, Life]
) -> Iterator[Remark]:
    """Warn of units that neither end nor move although their parent ends."""
    for code in reform.ended:
        remaining = [
            unit for unit in below.get(code, ()) if unit not in changed or changed[unit].record.parent == code
        ]
        if remaining:
            yield Remark(key="units_below", params={"code": code, "count": str(len(remaining))})


def import_undo_obstacles(
    record: ImportRecord, built: BuiltOnImport, exchanged: Sequence[str], now: datetime
) -> tuple[Remark, ...]:
    """Return why an import cannot be undone; empty where it can. `exchanged`: those of its new codes that have exchanged
    documents."""
    if record.undone_at is not None:
        return (Remark(key="undone_already"),)
    leaning = {"row": built.rows, "certificate": built.certificates, "document": exchanged}
    reported = {kind: codes[:MOST_LISTED] for kind, codes in (leaning | {"change": built.changed}).items()}
    return tuple(_undo_bars(now - record.at, built.reforms[:MOST_LISTED], reported))


def _undo_bars(age: timedelta, reforms: Sequence[str], leaning: Mapping[str, Sequence[str]]) -> list[Remark]:
    """Return conflicts where too much time has passed, or something depends on the change; `leaning` has the dependent
    codes by kind."""
    remarks = []
    if age > timedelta(days=UNDO_DAYS):
        remarks.append(Remark(key="undo_late", params={"days": str(UNDO_DAYS)}))
    remarks += [Remark(key="built_reform", params={"reform": id}) for id in reforms]
    for kind, codes in leaning.items():
        remarks += [Remark(key=f"built_{kind}", params={"code": code}) for code in codes]
    return remarks
