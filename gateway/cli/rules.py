"""`gateway rules`: the rules of the product and the acts that they rest on. In: a rule's number, or a day. Out: the list,
one rule with its articles and what the node does, or what is wrong with the table on that day; exit 1 for a fault; the
dossier of the node as a file. Only the dossier and the timers of an agency need a node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from gateway import time_source
from gateway.bootstrap import extensions, guards
from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.node import CommandContext, must_exist
from gateway.document_view import timer_texts
from gateway.domain.wall_clock import day_text
from gateway.errors import Clash, Misconfigured, NotFound

if TYPE_CHECKING:
    from gateway.domain.dossier import Dossier
    from gateway.policy.legal_state import LegalFinding
    from gateway.words.legal import Act, Rule

_COLUMNS = output.columns("id state:act.state does:act.does detail=text gap=lacks bases", bold="id")
_READ = (".py", ".po", ".html", ".csv")
_DATA = "gateway/words/legal.toml"


class DossierFormat(StrEnum):
    """Form of the dossier's file."""

    DOCX = "docx"
    PDF = "pdf"
    JSON = "json"


On = Annotated[datetime | None, option("Day to judge; default: today.", "--on", formats=["%Y-%m-%d"])]

_TIMER_COLUMNS = output.columns("rule name length counting applies setting", bold="rule")

verb = noun("rules").verb


@verb("", "--state partly")
def list_(
    call: Invocation,
    state: Annotated[str | None, option("Only rules in this state: works, partly, absent, outside.")] = None,
) -> None:
    """List the rules, how far the node keeps each, what it does about it, and their bases."""
    from gateway.words import legal

    if state is not None and state not in legal.STATES:
        raise typer.BadParameter(f"a state is one of {', '.join(legal.STATES)}", param_hint="--state")
    rules = [rule for rule in legal.read().rules.values() if state in (None, rule.state)]
    lang = call.lang.value
    output.rows(
        call,
        [_rule_record(rule) for rule in rules],
        _COLUMNS,
        [{"bases": r.basis_text(lang), "detail": r.texts[lang], "gap": r.lacks[lang]} for r in rules],
    )


@verb("R45")
def show(call: Invocation, rule: Annotated[str, argument("A rule: R45, T1.")]) -> None:
    """Show one rule: its text, its articles, what the node does, and where that is proved."""
    from gateway.words import legal

    rules = legal.read().rules
    entry = next((r for id, r in rules.items() if id.casefold() == rule.strip().casefold()), None)
    if entry is None:
        raise NotFound(f"no rule has the number {rule[:40]}", hint="try: gateway rules list")
    output.answer(call, _rule_record(entry), _lines(call, entry))


@verb("", "--on 2026-11-27")
def check(
    call: Invocation,
    on: On = None,
    strict: Annotated[bool, option("Count notes as faults too.", "--strict")] = False,
) -> None:
    """Judge the rules on a day: rules without an entry, acts that had ended, bases not compared with the original. Exit 1
    for a fault."""
    from gateway.policy import legal_state
    from gateway.words import legal

    day = on.date() if on is not None else output.today(time_source.utc_now())
    bases = legal.read()
    findings = legal_state.judge(bases, program_texts(), day)
    record = {
        "on": day,
        "rules": len(bases.rules),
        "acts": len(bases.acts),
        "findings": [output.fields(f, "fault subject place instead since note=is_note") for f in findings],
    }
    output.answer(call, record, _finding_lines(call, findings, day, len(bases.rules)))
    if any(strict or not finding.is_note for finding in findings):
        raise typer.Exit(output.FAILED)


@verb("", "-o json")
async def timers(call: Invocation, context: CommandContext) -> None:
    """List the timers as they hold for the agency: time, start, end, pause, steps, basis, and whether they apply."""
    office = await context.node.inn.office(context.scope.agency_id)
    lengths = guards.timer_lengths(context.node.settings)
    rows = [
        {
            **output.fields(text, "rule name length counting start end pause steps basis setting"),
            "applies": call.word(f"timer.page.applies.{text.applies}"),
        }
        for text in timer_texts.list_timers(office, call.lang.value, lengths)
    ]
    output.rows(call, rows, _TIMER_COLUMNS)


@verb("--to ho-so.docx", "--to /srv/gateway --format pdf", "--to dossier.json --lang en --quick", local=True)
async def dossier(
    call: Invocation,
    to: Annotated[Path, option("File to write, or its folder; it must not exist.")],
    format_: Annotated[
        DossierFormat | None, option("Form of the file; default: as its name ends, or docx.", "--format")
    ] = None,
    quick: Annotated[bool, option("Leave out the examination of the whole log.", "--quick")] = False,
) -> None:
    """Write the dossier of the system's security level: what the node can show of itself, and fields for the rest."""
    from gateway.atomic_files import new_file
    from gateway.clock import SystemClock
    from gateway.ops.dossier import examine_source, make_dossier, read_controls
    from gateway.ops.subject import Subject
    from gateway.pool import ThreadPool

    settings = call.settings()
    must_exist(settings)
    if settings.node.controls is not None:
        read_controls(settings.node.controls)
    kind = format_ or next((f for f in DossierFormat if to.suffix == f".{f}"), DossierFormat.DOCX)
    if to.is_dir():
        to /= f"ho-so-{settings.node.name}-{output.today(time_source.utc_now())}.{kind}"
    if to.exists():
        raise Clash(f"{to} exists; a dossier never overwrites anything, name another file")
    write, tell = _dossier_writer(kind), partial(call.say, "dossier.progress")
    with closing(ThreadPool(2)) as pool:
        subject = Subject(settings=settings, clock=SystemClock(), pool=pool)
        try:
            source = await examine_source(subject, call.lang.value, tell, with_log=not quick)
            content = await make_dossier(source, tell=tell)
            with new_file(to.absolute(), 0o600, alone=True) as file:
                await pool.run(partial(write, content, file))
        finally:
            await subject.close()
    facts: dict[str, object] = {"path": to, "format": kind, "size": to.stat().st_size}
    facts["rows"] = sum(len(section.rows) for section in content.sections)
    facts["unread"] = [section.key for section in content.sections if section.fault]
    output.record(call, facts, id_key="path")


def _dossier_writer(kind: DossierFormat) -> Callable[[Dossier, IO[bytes]], object]:
    from gateway.ops.dossier_docx import write_docx

    if kind is DossierFormat.JSON:
        return lambda dossier, file: file.write(json.dumps(dossier.to_json(), ensure_ascii=False).encode())
    write = write_docx if kind is DossierFormat.DOCX else extensions.dossier_writer()
    if write is None:
        raise Misconfigured("a PDF needs the package lienthong-gateway-office", hint="choose --format docx")
    return write


def program_texts() -> Mapping[str, str]:
    """Read the texts of the installed program by their path, without the table itself."""
    return dict(_texts_in(files("gateway"), "gateway"))


def _texts_in(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _texts_in(entry, name)
        elif entry.name.endswith(_READ) and name != _DATA:
            yield name, entry.read_text(encoding="utf-8")


def _rule_record(rule: Rule) -> dict[str, Any]:
    names = "act=act.number place text compared=is_compared"
    return output.fields(
        rule,
        "id text state lacks does own=is_own bases codes events checks evidence tests in_force_from in_force_to=ended",
        text=dict(rule.texts),
        lacks=dict(rule.lacks),
        bases=[output.fields(basis, names, text=basis.text()) for basis in rule.bases],
    )


def _lines(call: Invocation, rule: Rule) -> Iterator[str]:
    lang = call.lang.value
    yield f"{rule.id}  {rule.texts[lang]}"
    yield call.word(
        "act.show.does", does=call.word(f"act.does.{rule.does}"), codes=", ".join(rule.codes) or "–"
    )
    yield call.word(
        "act.show.state", state=call.word(f"act.state.{rule.state}"), lacks=rule.lacks[lang]
    ).strip(" :")
    if rule.is_own:
        yield call.word("act.show.own")
    for basis in rule.bases:
        compared = "compared" if basis.is_compared else "not_compared"
        yield f"  {basis.text(lang)} ({call.word(f'act.show.{compared}')})"
    for act in {basis.act.key: basis.act for basis in rule.bases}.values():
        yield _act_line(call, act)
    yield call.word("act.show.since", day=day_text(rule.in_force_from))
    yield call.word("act.show.evidence", evidence=", ".join((*rule.evidence, *rule.tests)) or "–")


def _act_line(call: Invocation, act: Act) -> str:
    ended = "" if act.ended is None else call.word("act.show.ended", day=day_text(act.ended))
    line = call.word(
        "act.show.act",
        act=act.name(call.lang.value),
        title=act.title,
        issuer=act.issuer,
        begins=day_text(act.begins),
        ended=ended,
        source=act.source,
    )
    return f"  {line}"


def _finding_lines(call: Invocation, findings: list[LegalFinding], day: date, count: int) -> Iterator[str]:
    for finding in findings:
        mark = "!" if finding.is_note else "✗"
        instead = call.word("act.instead", acts=finding.instead) if finding.instead else ""
        if finding.since is not None:
            instead = f" ({call.word('act.since', day=day_text(finding.since))})"
        is_state = finding.fault == "not-kept"
        place = call.word(f"act.state.{finding.place}") if is_state else finding.place
        text = call.word(f"act.fault.{finding.fault}", subject=finding.subject, place=place, instead=instead)
        yield f"{mark} {text}"
    faults = sum(not finding.is_note for finding in findings)
    key = "act.check.faults" if faults else "act.check.good"
    yield call.word(key, count=faults, rules=count, day=day_text(day))
