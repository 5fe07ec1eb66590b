"""The wizard for a change of the organisation: kind, agencies, decision, consequences, preview; then a second person. In:
the fields that the pages carry from step to step. Out: the step to show; the `Reform` that is meant, or the faults by
field. The typed values travel in the address, so every step can be gone back to without scripts. Nothing is written before
the proposal. The fields are read first; the registry is asked after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from aiohttp import web

from gateway.deciding import registry_changes
from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind, Target
from gateway.domain.text import nfc
from gateway.policy.reform import ReformPlan
from gateway.words import labels
from gateway_office.domain.roles import Right
from gateway_office.web import dates, routes
from gateway_office.web.addresses import url_for
from gateway_office.web.forms import Problems, whole_number
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.routes import Access, Needs

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
    "kind",
    "sources",
    "name",
    "parent",
    "number",
    "issued",
    "issuer",
    "effective",
    "queued",
    "mail",
    "units",
    "reason",
    "base",
    "rows",
)
# A step is one of these kinds; a reorganisation is made of several.
WIZARD_KINDS = tuple(kind for kind in ReformKind if kind is not ReformKind.REORGANISE)
MOVE_UNITS = "move"
_MANY_SOURCES = (ReformKind.MERGE, ReformKind.CONSOLIDATE, ReformKind.MOVE)
_KNOWN_TARGET = (ReformKind.MERGE, ReformKind.DISSOLVE)
_NEW_TARGET = (ReformKind.RECODE, ReformKind.CONSOLIDATE)
_MANY_TARGETS = (ReformKind.SPLIT, ReformKind.CREATE)

Faults = list[tuple[str, str]]
"""A field and the key of its fault: `missing` or `day`."""
NEW = "/co-quan/thay-doi/moi"
CHANGES = (Needs(right=Right.CODES),)
PROPOSES = (replace(CHANGES[0], trusts=True),)
get, post, both = routes.sharing(access=Access.READY, needs=CHANGES, key="agencies")
# No change of a code is stated for so late, so only conflicts of the agencies themselves remain.
_AFTER_ALL_TURNS = date(9000, 1, 1)
_CONSEQUENCES = ("closed", "mail_", "queued_", "hosted", "certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wizard:
    """Fields of the wizard so far. Unfilled fields are empty."""

    fields: Mapping[str, str]
    today: date

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def kind(self) -> ReformKind | None:
        kind = self.text("kind")
        return ReformKind(kind) if kind in WIZARD_KINDS else None

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
        """Return the number of rows for agencies that take over or begin."""
        if self.kind in _NEW_TARGET:
            return 1
        if self.kind not in _MANY_TARGETS:
            return 0
        requested = whole_number(self.text("rows"), 3) or 0
        filled = [n for n in range(1, MOST_ROWS + 1) if self.text(f"code_{n}")]
        return min(max(requested, _FEWEST_ROWS, *filled), MOST_ROWS)

    @property
    def has_more_rows(self) -> bool:
        return self.kind in _MANY_TARGETS and self.rows < MOST_ROWS

    @property
    def sources(self) -> tuple[str, ...]:
        """Split the sources as they were typed: one on a line, or codes with commas between."""
        return common.split_names(self.text("sources")) if self.has_sources else ()

    @property
    def targets(self) -> tuple[Target, ...]:
        count = 1 if self.has_known_target else self.rows
        return tuple(
            self._target(n) for n in range(1, count + 1) if any(self.text(f"{name}_{n}") for name in _TARGET)
        )

    def hidden(self, step: int) -> dict[str, str]:
        """Return the fields that a step carries for the others."""
        own = {"step", "at", *_OF_STEP.get(step, ())}
        if step == 2:
            own |= {"sources", "name", "parent", "rows"}
            own |= {f"{field}_{n}" for field in _TARGET for n in range(1, self.rows + 2)}
        return {name: value for name, value in self.fields.items() if value and name not in own}

    def faults(self, step: int) -> Faults:
        """List the fields that a step still lacks."""
        match step:
            case 1:
                return [] if self.kind is not None else [("kind", "missing")]
            case 2:
                return self._parties()
            case 3:
                return self._decision()
        return []

    def reform(self, on: date | None = None) -> Reform:
        """Make the reform, once the steps lack nothing; `on` stands for a day that is not stated yet."""
        effective = on or dates.typed_day(self.text("effective"), self.today)
        if self.kind is None or effective is None:
            raise ValueError("the kind and the effective day come first")
        mail = self.text("mail")
        queued = self.text("queued")
        reform = Reform(
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
        if self.kind is ReformKind.SPLIT and reform.ended:
            return replace(reform, triage=mail == TRIAGE, mail_to=mail if mail in reform.heirs else None)
        return reform

    def _parties(self) -> Faults:
        faults: Faults = []
        if self.has_sources and not self.sources:
            faults.append(("sources", "missing"))
        if self.kind is ReformKind.RENAME and not self.text("name"):
            faults.append(("name", "missing"))
        if self.kind is ReformKind.MOVE and not self.text("parent"):
            faults.append(("parent", "missing"))
        is_wanted = self.kind is ReformKind.MERGE or self.rows
        if is_wanted and not self.targets:
            faults.append(("code_1", "missing"))
        if self.kind in (ReformKind.CONSOLIDATE, ReformKind.CREATE):
            faults += [
                (f"name_{n}", "missing")
                for n in range(1, self.rows + 1)
                if self.text(f"code_{n}") and not self.text(f"name_{n}")
            ]
        return faults

    def _decision(self) -> Faults:
        faults: Faults = [(name, "missing") for name in _OF_STEP[3] if not self.text(name)]
        faults += [
            (name, "day")
            for name in ("issued", "effective")
            if self.text(name) and dates.typed_day(self.text(name), self.today) is None
        ]
        return faults

    def _target(self, n: int) -> Target:
        def field(name: str) -> str | None:
            return self.text(f"{name}_{n}") or None

        if self.has_known_target:
            return Target(code=self.text(f"code_{n}").upper())
        parent, alias = field("parent"), field("alias")
        return Target(
            code=self.text(f"code_{n}").upper(),
            name=field("name"),
            parent=parent and parent.upper(),
            alias=alias and alias.upper(),
        )


def read_fields(parameters: Mapping[str, str], today: date) -> Wizard:
    """Read the wizard's fields from the address or the form; other fields are left out."""
    names = {*_PLAIN, *(f"{field}_{n}" for field in _TARGET for n in range(1, MOST_ROWS + 1))}
    fields = {
        name: nfc(value[:LONGEST_FIELD].replace("\r\n", "\n").replace("\x00", "")).strip()
        for name, value in parameters.items()
        if name in names
    }
    return Wizard(fields=fields, today=today)


async def ask_step(request: PageRequest) -> web.StreamResponse:
    """Show the requested step, or the first one before it that lacks something."""
    stated = read_fields(request.http.query, request.deps.out.today())
    if (preset := request.ask("ma")) and not stated.text("sources"):
        stated = replace(stated, fields={**stated.fields, "sources": preset})
    asked_step = request.ask("back") or request.ask("step") or request.ask("at")
    at = int(asked_step) if asked_step in ("1", "2", "3", "4", "5") else 1
    problems: Problems = []
    # To go back, or to type one more agency, the fields need not be complete.
    if at > 3 or "step" in request.http.query:
        stated, at, problems = await _check_steps(request, stated, at)
    if problems or at < 4:
        return await _step_page(request, stated, at, problems)
    plan = await registry_changes.plan_reform(
        request.deps.deciding, await _with_units(request, stated, _reform_to_plan(stated))
    )
    if at == 5:
        problems = _mail_rule(request, stated)
        if problems or plan.conflicts:
            return await _step_page(request, stated, 4, problems or _conflicts(request, plan), plan)
    return await _step_page(request, stated, at, [], plan)


async def propose_change(request: PageRequest) -> web.StreamResponse:
    """Propose the previewed change to a second person."""
    form = request.form
    stated = read_fields(form.flat(), request.deps.out.today())
    stated, at, problems = await _check_steps(request, stated, 5)
    if problems:
        return await _step_page(request, stated, at, problems)
    services = request.deps.deciding
    plan = await registry_changes.plan_reform(services, await _with_units(request, stated, stated.reform()))
    if plan.conflicts or _mail_rule(request, stated):
        return await _step_page(request, stated, 4, _conflicts(request, plan), plan)
    if form.text("base") != plan.base:
        moved = [("", request.say("clash.REG-MOVED"))]
        return await _step_page(request, stated, 5, moved, plan)
    confirmation, problems = await common.propose_signed(
        request,
        [],
        lambda person, reason: registry_changes.propose_reform(services, person, plan, reason),
    )
    return confirmation or await _step_page(request, stated, 5, problems, plan)


async def _check_steps(request: PageRequest, stated: Wizard, last_step: int) -> tuple[Wizard, int, Problems]:
    """Return the step to show, and its problems. Codes are written as the registry writes them once they were typed."""
    for step in range(1, last_step):
        if faults := stated.faults(step):
            return stated, step, [(name, _fault(request, name, key)) for name, key in faults]
        if step == 2:
            stated, problems = await _resolve_codes(request, stated)
            if problems := problems or await _check_choice(request, stated, _AFTER_ALL_TURNS):
                return stated, 2, problems
        if step == 3 and (problems := await _check_choice(request, stated)):
            return stated, 3, problems
    return stated, last_step, []


async def _check_choice(request: PageRequest, stated: Wizard, on: date | None = None) -> Problems:
    """List the conflicts of the chosen agencies, each at its field, or at the day once that is stated. `on` stands for a
    day that is not stated yet."""
    trial = _reform_to_plan(stated, on)
    planned = await registry_changes.plan_reform(request.deps.deciding, trial)
    field_of = {target.code: f"code_{n}" for n, target in enumerate(trial.targets, 1)}
    field_of |= dict.fromkeys(trial.sources, "sources")
    problems: Problems = []
    for remark in planned.conflicts:
        code = remark.params.get("code", "")
        entry = await request.deps.registry.entry(code)
        if entry is not None:
            remark = replace(remark, params={**remark.params, "code": common.agency_text(entry)})
        (sentence,) = common.render_remarks(request, [remark])
        problems.append((field_of.get(code, "") if on else "effective", sentence))
    return problems


async def _resolve_codes(request: PageRequest, stated: Wizard) -> tuple[Wizard, Problems]:
    """Replace old codes and names by the code of today; no agency is guessed."""
    problems: Problems = []
    codes = []
    for text in stated.sources:
        code, fault = await common.known_code(request, text)
        codes.append(code)
        problems += [("sources", fault)] if fault else []
    fields = {**stated.fields}
    if codes:
        fields["sources"] = "\n".join(codes)
    singles = ["code_1"] if stated.has_known_target else []
    singles += ["parent"] if stated.kind is ReformKind.MOVE else []
    singles += [f"parent_{n}" for n in range(1, stated.rows + 1)]
    new_codes = {target.code for target in stated.targets}
    for name in singles:
        text = stated.text(name)
        if not text or (name.startswith("parent_") and text.upper() in new_codes):
            continue
        fields[name], fault = await common.known_code(request, text)
        problems += [(name, fault)] if fault else []
    return replace(stated, fields=fields), problems


async def _step_page(
    request: PageRequest, stated: Wizard, at: int, problems: Problems, planned: ReformPlan | None = None
) -> web.StreamResponse:
    return await request.form_page(
        "agencies/wizard.html",
        problems,
        title=request.say("agencies.changes"),
        stated=stated,
        at=at,
        steps=[(n, key, _link(stated, n) if n < at else "") for n, key in enumerate(STEPS, 1)],
        hidden=stated.hidden(at),
        kinds=[(kind.value, request.say(f"reform.kind.{kind}")) for kind in WIZARD_KINDS],
        names=await _names(request, stated) if at > 2 else {},
        early=[text for _, text in await _check_choice(request, stated, stated.today)] if at == 3 else [],
        action=NEW,
        planned=planned,
        **(_plan_values(request, stated, planned) if planned is not None else {}),
    )


def _plan_values(request: PageRequest, stated: Wizard, planned: ReformPlan) -> dict[str, object]:
    """Return the values of the plan, for the steps that have one."""
    reform = _reform_to_plan(stated)
    asks_units = bool(stated.text("units")) or any(r.key == "units_below" for r in planned.warnings)
    receivers = [(r.code, request.say("reforms.mail.to", code=r.code)) for r in reform.targets]
    waiting = {r.params["code"]: r.params["count"] for r in planned.sentences if r.key.startswith("queued_")}
    return {
        "conflicts": [] if not planned.conflicts else common.render_remarks(request, planned.conflicts),
        "warnings": common.render_remarks(request, planned.warnings),
        "sentences": common.render_remarks(request, planned.sentences),
        "consequences": common.render_remarks(
            request, (r for r in planned.sentences if r.key.startswith(_CONSEQUENCES))
        ),
        "lines": common.code_lines(planned.lives_before, planned.lives_after),
        "mail_waiting": [request.say("reforms.waiting", code=code, count=n) for code, n in waiting.items()],
        "asks_units": asks_units and reform.successor is not None,
        "units": [(r, request.say(f"reforms.units.{r or 'stay'}")) for r in ("", MOVE_UNITS)],
        "chosen_units": stated.text("units"),
        "asks_queued": bool(reform.ended),
        "asks_mail": reform.kind is ReformKind.SPLIT and bool(reform.ended),
        "queued": [(r.value, request.say(f"reforms.queued.{r}")) for r in QueuedMail],
        "mail": [
            ("", request.say("reforms.mail.choose")),
            *receivers,
            (TRIAGE, request.say("reforms.mail.triage")),
        ],
        "reform": planned.reform,
        "chosen_queued": str(reform.queued),
        "chosen_mail": stated.text("mail"),
    }


def _reform_to_plan(stated: Wizard, on: date | None = None) -> Reform:
    """Return the reform as stated; while the receiver of a split's mail is not chosen, a person decides, so that the other
    parts can be judged. With `on`, any decision of that day stands for the one that is not stated yet."""
    reform = stated.reform(on)
    if on is not None:
        reform = replace(reform, decision=DecidingDocument(number="–", issued_on=on, issuer="–"))
    is_open = reform.kind is ReformKind.SPLIT and bool(reform.ended) and not stated.text("mail")
    return replace(reform, triage=True) if is_open else reform


async def _with_units(request: PageRequest, stated: Wizard, reform: Reform) -> Reform:
    """Add the units below the ended agencies as further steps of the decision, where that was chosen."""
    if stated.text("units") != MOVE_UNITS or reform.successor is None:
        return reform
    return await registry_changes.reform_with_units(request.deps.deciding, reform)


def _mail_rule(request: PageRequest, stated: Wizard) -> Problems:
    reform = stated.reform()
    asks = reform.kind is ReformKind.SPLIT and bool(reform.ended)
    if asks and not reform.triage and reform.mail_to is None:
        return [("mail", request.say("reform.mail_rule"))]
    return []


def _conflicts(request: PageRequest, planned: ReformPlan) -> Problems:
    """List the conflicts; they stand in full on the page, the box says that there are some."""
    return [("", sentence) for sentence in common.render_remarks(request, planned.conflicts)] or [
        ("mail", request.say("reform.mail_rule"))
    ]


async def _names(request: PageRequest, stated: Wizard) -> dict[str, str]:
    names = {}
    for code in (*stated.sources, *(target.code for target in stated.targets)):
        entry = await request.deps.registry.entry(code)
        names[code] = entry.name if entry is not None else ""
    return names | {target.code: target.name for target in stated.targets if target.name}


def _fault(request: PageRequest, name: str, key: str) -> str:
    if key == "day":
        return request.say("reforms.day.unreadable")
    label, target_label = f"reforms.{name}", f"reforms.target.{name.rpartition('_')[0]}"
    return request.say("form.missing", field=request.say(label if labels.has(label) else target_label))


def _link(stated: Wizard, step: int) -> str:
    filled = {name: value for name, value in stated.fields.items() if value and name != "base"}
    return url_for(NEW, **filled, at=str(step))


ROUTES = (
    get(NEW, "reform_new", ask_step, needs=PROPOSES),
    post(NEW, "reform_propose", propose_change, needs=PROPOSES),
)
