"""A change of the organisation as it is typed and as it is shown. In: options or JSON from a person, a kept record, a
plan. Out: a `Reform` in the registry's own writing, refused by field where it cannot be read; plain values for a
program; or what `gateway registry change` prints of a plan: what stands against it, what to look at, what will be,
code by code, of many the first and how many more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat
from gateway.domain.text import nfc

if TYPE_CHECKING:
    from gateway.domain.registry_change import Life
    from gateway.domain.registry_reform import Reform, ReformRecord, Remark
    from gateway.policy.reform import ReformPlan

TRIAGE = "triage"
_LISTS = 200
MOST_STEPS = 500
_MOST_BYTES = 1_000_000


def stated(
    *,
    kind: str | None,
    sources: Sequence[str],
    targets: Sequence[str],
    name: str | None,
    parent: str | None,
    decision: Mapping[str, str | None],
    effective: str | None,
    mail_to: str | None,
    queued: str,
) -> dict[str, Any]:
    """The options as the JSON of a file would say them."""
    from gateway.cli.send import day

    if kind is None or effective is None:
        raise typer.BadParameter("say the kind of change and --effective DATE, or give --file")
    issued = decision["issued_on"]
    return {
        "kind": kind,
        "sources": list(sources),
        "targets": [_target(each) for each in targets],
        "name": name,
        "parent": parent,
        "decision": {**decision, "issued_on": day(issued) if issued else None},
        "effective_on": day(effective),
        "mail_to": None if mail_to == TRIAGE else mail_to,
        "triage": mail_to == TRIAGE,
        "queued": queued,
    }


def read_json(file: Path) -> Any:
    """The JSON of a file."""
    try:
        with file.open("rb") as form:
            raw = form.read(_MOST_BYTES)
        return json.loads(raw)
    except (OSError, ValueError) as cause:
        raise typer.BadParameter(f"{file} is no JSON that can be read: {cause}") from cause


def reform_of(told: Any) -> Reform:
    """What was said, with codes in capitals and names composed. BadParameter names the field that cannot be read."""
    from pydantic import TypeAdapter, ValidationError

    from gateway.domain.registry_reform import Reform

    _check_size(told)
    if isinstance(told.get("steps"), list):
        _check_steps(told["steps"])
        whole = {name: told[name] for name in ("decision", "effective_on", "queued") if name in told}
        told = {**told, "kind": "reorganise", "steps": [{**whole, **step} for step in told["steps"]]}
    try:
        wanted: Reform = TypeAdapter(Reform).validate_python({**told, "base": ""})
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise typer.BadParameter(f"{where}: {first['msg']}") from cause
    return replace(_as_written(wanted), steps=tuple(map(_as_written, wanted.steps)))


def _check_steps(steps: list[Any]) -> None:
    if len(steps) > MOST_STEPS:
        raise typer.BadParameter(f"one decision has at most {MOST_STEPS} steps")
    for step in steps:
        _check_size(step)


def _check_size(told: Any) -> None:
    if not isinstance(told, dict) or any(
        isinstance(told.get(part), list) and len(told[part]) > _LISTS for part in ("sources", "targets")
    ):
        raise typer.BadParameter(f"a change is one JSON object, with at most {_LISTS} sources and targets")


def _as_written(wanted: Reform) -> Reform:
    return replace(
        wanted,
        sources=tuple(map(_code, wanted.sources)),
        targets=tuple(
            replace(
                each,
                code=_code(each.code),
                name=each.name and _text(each.name),
                parent=each.parent and _code(each.parent),
                alias=each.alias and _code(each.alias),
            )
            for each in wanted.targets
        ),
        name=wanted.name and _text(wanted.name),
        parent=wanted.parent and _code(wanted.parent),
        mail_to=wanted.mail_to and _code(wanted.mail_to),
        decision=replace(
            wanted.decision, number=_text(wanted.decision.number), issuer=_text(wanted.decision.issuer)
        ),
    )


def record_shown(record: ReformRecord, today: date, names: Mapping[str, str]) -> dict[str, Any]:
    """The record for a program; `state` says also whether its day has come."""
    from gateway.domain.registry_reform import ReformState
    from gateway.policy import reform_words

    reform = record.reform
    state = "upcoming" if today < reform.effective_on else "in_force"
    is_undone = record.state is ReformState.UNDONE
    owes = not is_undone and record.reported_at is None
    return {
        "id": record.id,
        "kind": reform.kind,
        "state": "undone" if is_undone else state,
        "effective_on": reform.effective_on,
        "sources": list(reform.sources),
        "targets": [each.code for each in reform.targets],
        "name": reform.name,
        "parent": reform.parent,
        "mail_to": TRIAGE if reform.triage else reform.successor,
        "queued": str(reform.queued),
        "decision": output.fields(reform.decision, "number issued_on issuer"),
        "proposed_by": names.get(record.proposed_by, record.proposed_by),
        "approved_by": names.get(record.approved_by, record.approved_by),
        "approved_at": record.approved_at.isoformat(),
        "undone_at": record.undone_at and record.undone_at.isoformat(),
        "undone_why": record.undone_why,
        "reported_how": record.reported_how,
        "report_by": reform_words.report_due_on(reform) if owes else None,
        **({"steps": [_step(each) for each in reform.steps]} if reform.steps else {}),
    }


def _step(step: Reform) -> dict[str, Any]:
    return {
        "kind": str(step.kind),
        "sources": list(step.sources),
        "targets": [each.code for each in step.targets],
        "name": step.name,
        "parent": step.parent,
        "mail_to": step.successor,
    }


def life_shown(of: Life | None) -> dict[str, Any] | None:
    """One code, before or after."""
    if of is None:
        return None
    record = of.record
    return {
        "code": record.code,
        "name": record.name,
        "parent": record.parent,
        "valid_from": record.valid_from and record.valid_from.isoformat(),
        "valid_to": record.valid_to and record.valid_to.isoformat(),
        "successor": record.successor,
        "source": str(of.source),
        "former": [
            {"until": each.until.isoformat(), "name": each.name, "parent": each.parent} for each in of.former
        ],
    }


def _target(text: str) -> dict[str, str | None]:
    """`CODE`, `CODE=NAME` or `CODE=NAME@PARENT`."""
    code, _, rest = text.partition("=")
    name, _, parent = rest.rpartition("@") if "@" in rest else (rest, "", "")
    return {"code": code, "name": name or None, "parent": parent or None}


def _code(text: str) -> str:
    return text.strip().upper()


def _text(text: str) -> str:
    return nfc(text.strip())


_SHOWN = 100  # sentences of each sort, and codes, that are printed unasked
_NAMED = 5


def remark_sentence(call: Invocation, remark: Remark) -> str:
    from gateway.words.labels import remark_text

    return remark_text(remark.key, remark.params, call.lang)


def print_plan(call: Invocation, planned: ReformPlan, *, details: bool = False) -> None:
    parts: dict[str, Sequence[Remark]] = {
        "conflicts": planned.conflicts,
        "warnings": planned.warnings,
        "sentences": planned.sentences,
    }
    if call.output is not OutputFormat.TABLE:
        told: dict[str, Any] = {
            name: [{"key": each.key, "text": remark_sentence(call, each), **each.params} for each in remarks]
            for name, remarks in parts.items()
        }
        told["rows"] = [
            {
                "code": code,
                "before": life_shown(planned.before[code]),
                "after": life_shown(life),
            }
            for code, life in planned.after.items()
        ]
        output.document(told)
        return
    marks = {"conflicts": "✗", "warnings": "!", "sentences": "·"}
    lines: list[str] = []
    left = 0
    for name, remarks in parts.items():
        said = remarks if details else remarks[:_SHOWN]
        left += len(remarks) - len(said)
        lines += [f"{marks[name]} {remark_sentence(call, each)}" for each in said]
    lines += _changed(planned) if details or len(planned.after) <= _SHOWN else []
    output.lines(output.plain(line) for line in lines)
    if not details and (left or len(planned.after) > _SHOWN):
        call.say("cli.more_details", count=left + max(len(planned.after) - _SHOWN, 0))


def _changed(planned: ReformPlan) -> list[str]:
    """Code by code, each field that changes."""
    lines = []
    for code, life in planned.after.items():
        lines.append(f"{'~' if planned.before[code] else '+'} {code}  {life.record.name}")
        was = life_shown(planned.before[code]) or {}
        now = life_shown(life) or {}
        lines += [
            f"    {field}: {was.get(field) or '∅'} → {value or '∅'}"
            for field, value in now.items()
            if field not in ("code", "former") and was.get(field) != value
        ]
    return lines


def codes_on_a_line(reform: Reform) -> str:
    """Of many steps what ends and what takes over, so far as a line holds it."""
    gone = reform.sources or reform.ended
    heirs = [target.code for target in reform.targets] or list(reform.heirs)
    first = " ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
    return f"{first} → {' '.join(heirs[:_NAMED]) or '–'}"
