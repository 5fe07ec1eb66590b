"""The wizard for a change of the organisation: kind, agencies, decision, consequences, preview; then a second person.
In: the fields that the pages carry from step to step. Out: the step to show; the `Reform` that is meant, or what is
wrong with each field. What was said travels in the address, so every step can be gone back to, and scripts are not
needed. Nothing is written before the proposal. What is stated is read without asking anybody; what the registry says
to it is asked after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind, Target
from gateway.domain.text import nfc
from gateway.office.domain.roles import Right
from gateway.office.web import dates, routes
from gateway.office.web.forms import Problems, whole_number
from gateway.office.web.pages.agencies import ground
from gateway.office.web.routes import Needs, Who
from gateway.office.web.visits import Visit, where
from gateway.policy.reform import ReformPlan
from gateway.words import labels

TRIAGE = "triage"
STEPS = ("kind", "who", "decision", "consequences", "preview")
LONGEST_FIELD = 8_000
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
        asked = whole_number(self.text("rows"), 3) or 0
        filled = [n for n in range(1, MOST_ROWS + 1) if self.text(f"code_{n}")]
        return min(max(asked, _FEWEST_ROWS, *filled), MOST_ROWS)

    @property
    def has_more_rows(self) -> bool:
        return self.kind in _MANY_TARGETS and self.rows < MOST_ROWS

    @property
    def sources(self) -> tuple[str, ...]:
        """As they were typed, one on a line, or codes apart by commas."""
        return ground.split_names(self.text("sources")) if self.has_sources else ()

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
        if self.kind is None or (effective := dates.typed_day(self.text("effective"), self.today)) is None:
            raise ValueError("the kind and the effective day come first")
        mail = self.text("mail")
        queued = self.text("queued")
        made = Reform(
            kind=self.kind,
            decision=DecidingDocument(
                number=self.text("number"),
                issued_on=dates.typed_day(self.text("issued"), self.today),
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
            if self.text(name) and dates.typed_day(self.text(name), self.today) is None
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


def read_stated(given: Mapping[str, str], today: date) -> Stated:
    """Out of the address or of the form; what belongs to no step is left out."""
    names = {*_PLAIN, *(f"{each}_{n}" for each in _TARGET for n in range(1, MOST_ROWS + 1))}
    fields = {
        name: nfc(value[:LONGEST_FIELD].replace("\r\n", "\n").replace("\x00", "")).strip()
        for name, value in given.items()
        if name in names
    }
    return Stated(fields=fields, today=today)


NEW = "/co-quan/thay-doi/moi"
CHANGES = (Needs(right=Right.CODES),)
get = partial(routes.get, who=Who.READY, needs=CHANGES, key="agencies")
post = partial(routes.post, who=Who.READY, needs=CHANGES, key="agencies")
both = partial(routes.both, who=Who.READY, needs=CHANGES, key="agencies")
_CONSEQUENCES = ("closed", "mail_", "queued_", "hosted", "certificate")


async def step_asked(visit: Visit) -> web.StreamResponse:
    """The step that was asked for, or the first one before it that lacks something."""
    stated = read_stated(visit.request.query, visit.deps.out.today())
    if (preset := visit.ask("ma")) and not stated.text("sources"):
        stated = replace(stated, fields={**stated.fields, "sources": preset})
    wanted = visit.ask("back") or visit.ask("step") or visit.ask("at")
    at = int(wanted) if wanted in ("1", "2", "3", "4", "5") else 1
    problems: Problems = []
    # To go back, or to type one more agency, nothing need be whole yet.
    if at > 3 or "step" in visit.request.query:
        stated, at, problems = await _as_far_as(visit, stated, at)
    if problems or at < 4:
        return await _step_page(visit, stated, at, problems)
    planned = await registry_changes.plan_reform(
        visit.deps.deciding, await _whole(visit, stated, _meant(stated))
    )
    if at == 5:
        problems = _mail_rule(visit, stated)
        if problems or planned.conflicts:
            return await _step_page(visit, stated, 4, problems or _conflicts(visit, planned), planned)
    return await _step_page(visit, stated, at, [], planned)


async def change_proposed(visit: Visit) -> web.StreamResponse:
    """What the preview showed, in the hands of a second person."""
    form = visit.form
    stated = read_stated(form.flat(), visit.deps.out.today())
    stated, at, problems = await _as_far_as(visit, stated, 5)
    if problems:
        return await _step_page(visit, stated, at, problems)
    desk = visit.deps.deciding
    planned = await registry_changes.plan_reform(desk, await _whole(visit, stated, stated.reform()))
    if planned.conflicts or _mail_rule(visit, stated):
        return await _step_page(visit, stated, 4, _conflicts(visit, planned), planned)
    if form.text("base") != planned.base:
        moved = [("", visit.say("clash.REG-MOVED"))]
        return await _step_page(visit, stated, 5, moved, planned)
    made, problems = await ground.signed(
        visit, [], lambda who: registry_changes.propose_reform(desk, who, planned, form.text("reason"))
    )
    if made is None:
        return await _step_page(visit, stated, 5, problems, planned)
    return visit.said(f"/co-quan/de-nghi/{made.id}", "reforms.proposed")


async def _as_far_as(visit: Visit, stated: Stated, wanted: int) -> tuple[Stated, int, Problems]:
    """The step to show, and what is wrong there. Codes are written as the registry writes them once they were typed."""
    for step in range(1, wanted):
        if faults := stated.faults(step):
            return stated, step, [(name, _fault(visit, name, key)) for name, key in faults]
        if step == 2:
            stated, problems = await _as_known(visit, stated)
            if problems:
                return stated, 2, problems
    return stated, wanted, []


async def _as_known(visit: Visit, stated: Stated) -> tuple[Stated, Problems]:
    """Whoever was named by an old code or by name is named by the code of today; nobody is guessed."""
    problems: Problems = []
    codes = []
    for text in stated.sources:
        code, fault = await ground.known_code(visit, text)
        codes.append(code)
        problems += [("sources", fault)] if fault else []
    fields = {**stated.fields}
    if codes:
        fields["sources"] = "\n".join(codes)
    singles = ["code_1"] if stated.has_known_target else []
    singles += ["parent"] if stated.kind is ReformKind.MOVE else []
    singles += [f"parent_{n}" for n in range(1, stated.rows + 1)]
    begun = {each.code for each in stated.targets}
    for name in singles:
        text = stated.text(name)
        if not text or (name.startswith("parent_") and text.upper() in begun):
            continue
        fields[name], fault = await ground.known_code(visit, text)
        problems += [(name, fault)] if fault else []
    return replace(stated, fields=fields), problems


async def _step_page(
    visit: Visit, stated: Stated, at: int, problems: Problems, planned: ReformPlan | None = None
) -> web.StreamResponse:
    return await visit.form_page(
        "agencies/wizard.html",
        problems,
        title=visit.say("agencies.changes"),
        stated=stated,
        at=at,
        steps=[(n, key, _link(stated, n) if n < at else "") for n, key in enumerate(STEPS, 1)],
        hidden=stated.hidden(at),
        kinds=[(each.value, visit.say(f"reform.kind.{each}")) for each in STATED],
        names=await _names(visit, stated) if at > 2 else {},
        action=NEW,
        planned=planned,
        **(_told(visit, stated, planned) if planned is not None else {}),
    )


def _told(visit: Visit, stated: Stated, planned: ReformPlan) -> dict[str, object]:
    """What the plan says, for the steps that have one."""
    reform = _meant(stated)
    asks_units = bool(stated.text("units")) or any(each.key == "units_below" for each in planned.warnings)
    takers = [(each.code, visit.say("reforms.mail.to", code=each.code)) for each in reform.targets]
    waiting = {
        each.params["code"]: each.params["count"]
        for each in planned.sentences
        if each.key.startswith("queued_")
    }
    return {
        "conflicts": [] if not planned.conflicts else ground.remarks_said(visit, planned.conflicts),
        "warnings": ground.remarks_said(visit, planned.warnings),
        "sentences": ground.remarks_said(visit, planned.sentences),
        "consequences": ground.remarks_said(
            visit, (each for each in planned.sentences if each.key.startswith(_CONSEQUENCES))
        ),
        "lines": ground.code_lines(planned.before, planned.after),
        "mail_waiting": [visit.say("reforms.waiting", code=code, count=n) for code, n in waiting.items()],
        "asks_units": asks_units and reform.successor is not None,
        "units": [(each, visit.say(f"reforms.units.{each or 'stay'}")) for each in ("", MOVE_UNITS)],
        "chosen_units": stated.text("units"),
        "asks_queued": bool(reform.ended),
        "asks_mail": reform.kind is ReformKind.SPLIT and bool(reform.ended),
        "queued": [(each.value, visit.say(f"reforms.queued.{each}")) for each in QueuedMail],
        "mail": [("", visit.say("reforms.mail.choose")), *takers, (TRIAGE, visit.say("reforms.mail.triage"))],
        "reform": planned.reform,
        "chosen_queued": str(reform.queued),
        "chosen_mail": stated.text("mail"),
    }


def _meant(stated: Stated) -> Reform:
    """As stated; while nobody has said who takes the mail of a split, a person decides, so that the rest can be judged."""
    reform = stated.reform()
    is_open = reform.kind is ReformKind.SPLIT and bool(reform.ended) and not stated.text("mail")
    return replace(reform, triage=True) if is_open else reform


async def _whole(visit: Visit, stated: Stated, reform: Reform) -> Reform:
    """With the units below what ends as further steps of the decision, where that was chosen."""
    if stated.text("units") != MOVE_UNITS or reform.successor is None:
        return reform
    return await registry_changes.reform_with_units(visit.deps.deciding, reform)


def _mail_rule(visit: Visit, stated: Stated) -> Problems:
    reform = stated.reform()
    asks = reform.kind is ReformKind.SPLIT and bool(reform.ended)
    if asks and not reform.triage and reform.mail_to is None:
        return [("mail", visit.say("reform.mail_rule"))]
    return []


def _conflicts(visit: Visit, planned: ReformPlan) -> Problems:
    """They stand in full on the page; the box says that there are some."""
    return [("", each) for each in ground.remarks_said(visit, planned.conflicts)] or [
        ("mail", visit.say("reform.mail_rule"))
    ]


async def _names(visit: Visit, stated: Stated) -> dict[str, str]:
    names = {}
    for code in (*stated.sources, *(each.code for each in stated.targets)):
        entry = await visit.deps.registry.entry(code)
        names[code] = entry.name if entry is not None else ""
    return names | {each.code: each.name for each in stated.targets if each.name}


def _fault(visit: Visit, name: str, key: str) -> str:
    if key == "day":
        return visit.say("reforms.day.unreadable")
    own, of_target = f"reforms.{name}", f"reforms.target.{name.rpartition('_')[0]}"
    return visit.say("form.missing", field=visit.say(own if labels.has(own) else of_target))


def _link(stated: Stated, step: int) -> str:
    given = {name: value for name, value in stated.fields.items() if value and name != "base"}
    return where(NEW, **given, at=str(step))


ROUTES = (
    get(NEW, "reform_new", step_asked),
    post(NEW, "reform_propose", change_proposed),
)
