"""The dossier of the node: what it knows of itself, as plain sections of rows that page, DOCX, PDF and JSON show alike. In:
a node, open or not, with the findings of its checks; the catalogue of rules; a table of controls. Out: sections of texts in
one language. A field that the node cannot know is empty, and a section that cannot be read says so by its error's code."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import distributions
from pathlib import Path, PurePath

from gateway import __version__
from gateway.bootstrap.witnesses import addresses
from gateway.domain.diagnosis import Diagnosis
from gateway.domain.dossier import Dossier, DossierSection
from gateway.domain.text import plain
from gateway.domain.wall_clock import day_text, local, moment_text
from gateway.errors import GatewayError, Misconfigured
from gateway.ops import audit, certificates, checks
from gateway.ops.checks_of_trust import closed_registry
from gateway.ops.status import report_of_settings
from gateway.ops.subject import Subject
from gateway.ops.witness_view import read_anchoring
from gateway.settings import reading
from gateway.store import data_folder, state_audit
from gateway.store.log_reading import Hit, newest_of_kinds
from gateway.store.loss_audit import list_counts
from gateway.store.witnesses import Witness, list_witnesses
from gateway.words import labels, legal
from gateway.workers.key_watch import bound_until

INSTANCES, LOSS_DAYS = 10, timedelta(days=30)
_PARTNERS_SOON = timedelta(days=90)
_MOST_CONTROLS = 1024 * 1024
_CONTROLS = ("number", "heading", "requirement", "measure", "who", "evidence")
# The headings that the rulebook quotes (R106, security level), each with what the node has about it.
_HEADINGS = "access: logging:log malware:scanner backup:backups monitoring:alarms incidents:"
# Addresses may carry a password or a token before the host or behind it.
_PATH_OF_ADDRESS = re.compile(r"(https?://)(?:[^/@\s]*@)?([^/\s?#,]+)(?:[/?#][^\s,]*)?")
_QUERY_OF_ADDRESS = re.compile(r"(://[^\s?,]*\?)[^\s,]+")
Rows = AsyncIterator[tuple[object, ...]]
Tell = Callable[..., object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExamination:
    """Last examination of the whole log."""

    at: datetime
    lines: int
    holds: bool


@dataclass(slots=True, kw_only=True)
class DossierSource:
    """Source of the sections. `examination` is None where the log was not examined; `rules` are those to show."""

    subject: Subject
    lang: str
    findings: Sequence[Diagnosis]
    examination: LogExamination | None = None
    rules: Sequence[legal.Rule] = field(default_factory=lambda: tuple(legal.read().rules.values()))
    sections: list[DossierSection] = field(default_factory=list)
    _hits: Sequence[Hit] | None = None

    @property
    def now(self) -> datetime:
        return self.subject.clock.now()

    def say(self, key: str, /, **params: object) -> str:
        return labels.say(f"dossier.{key}", self.lang, **params)

    async def leaves_of(self, rule: legal.Rule) -> Sequence[Hit]:
        """Return the last instances of a rule in the sealed log, newest first; none for a rule without kinds of events."""
        if self._hits is None:
            kinds = {kind for entry in self.rules for kind in entry.events}
            self._hits = await newest_of_kinds(self.subject.store, kinds, INSTANCES)
        return [hit for hit in self._hits if hit.event.kind in rule.events][:INSTANCES]

    def results_of(self, check: str) -> Iterator[str]:
        """Yield in words what a check of the doctor says now."""
        for finding in self.findings:
            if check in (finding.source, finding.check):
                yield f"{finding.check} – {self.say(f'level.{finding.level}')}: {plain(finding.says(self.lang))}"


async def examine_source(subject: Subject, lang: str, tell: Tell, *, with_log: bool) -> DossierSource:
    """Make all checks of a node, and with `with_log` examine its whole log."""
    tell(title=labels.say("dossier.checks", lang))
    source = DossierSource(subject=subject, lang=lang, findings=await checks.examine(subject))
    if with_log:
        tell(title=labels.say("dossier.log", lang))
        report = await audit.verify(subject.store, audit.Inputs(), subject.pool)
        source.examination = LogExamination(at=source.now, lines=report.leaves, holds=report.holds)
    return source


async def make_dossier(
    source: DossierSource, keys: Iterable[str] = (), tell: Tell = lambda title: None
) -> Dossier:
    """Read the sections of these keys, or all of them; `tell` is called with the title of each before it is read."""
    source.sections = []
    for key in keys or SECTIONS:
        tell(title=source.say(key))
        source.sections.append(await read_section(source, key))
    return Dossier(
        title=source.say("title"),
        node=source.subject.settings.node.name,
        lang=source.lang,
        made_at=moment_text(source.now),
        sections=tuple(source.sections),
    )


async def read_section(source: DossierSource, key: str) -> DossierSection:
    """Read one section."""
    widths, read = SECTIONS[key]
    columns = [part.partition(":")[::2] for part in widths.split()]
    section = DossierSection(
        key=key,
        title=source.say(key),
        note=source.say(f"{key}.note"),
        columns={name: source.say(f"column.{name}") for name, _ in columns},
        shares=tuple(float(share) for _, share in columns),
    )
    try:
        rows = tuple([tuple(map(_cell, row)) async for row in read(source)])
    except (GatewayError, OSError) as error:
        return replace(section, fault=getattr(error, "code", type(error).__name__))
    return replace(section, rows=rows)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return moment_text(value)
        case date():
            return day_text(value)
    return "\n".join(plain(line) for line in str(value).split("\n"))


async def _node(source: DossierSource) -> Rows:
    facts = report_of_settings(source.subject.settings, source.findings, source.now)
    for name in ("node", "version", "python", "system", "database", "axis_kind"):
        yield source.say(f"node.{name}"), facts[name]
    for agency in await source.subject.store.hosted():
        if agency.left_at is None:
            yield source.say("node.agency"), f"{agency.code.upper()} – {agency.name}"
    for name in ("level", "owner", "operator", "approval"):
        yield source.say(f"node.{name}"), ""


async def _acts(source: DossierSource) -> Rows:
    today = local(source.now).date()
    for act in legal.read().acts.values():
        compared = source.say("compared", day=day_text(act.checked)) if act.checked else ""
        state = "ended" if act.ended and act.ended < today else "future" if act.begins > today else "in_force"
        yield act.name(source.lang), act.title, act.begins, act.ended, source.say(f"act.{state}"), compared


async def _rules(source: DossierSource) -> Rows:
    for rule in source.rules:
        leaves = await source.leaves_of(rule)
        last = f"{moment_text(leaves[0].event.at)} (#{leaves[0].leaf})" if leaves else ""
        files = sorted({PurePath(test.partition("::")[0]).name for test in rule.tests})
        results = [result for check in rule.checks for result in source.results_of(check)]
        # The program does nothing about a rule that it does not have.
        does = labels.say(f"act.does.{rule.does}", source.lang) if rule.state in ("works", "partly") else ""
        yield (
            rule.id,
            rule.texts[source.lang],
            bases_of(rule, source.lang),
            state_of(rule, source.lang),
            does,
            "\n".join(files),
            "\n".join(results),
            last,
        )


def bases_of(rule: legal.Rule, lang: str) -> str:
    """Return the bases of a rule; a place that was not compared with the original has an asterisk."""
    return "; ".join(f"{basis.text(lang)}{'' if basis.is_compared else ' *'}" for basis in rule.bases)


def state_of(rule: legal.Rule, lang: str) -> str:
    """Return the state of a rule, its first day where that is its own, and what lacks."""
    word = labels.say(f"act.state.{rule.state}", lang)
    if rule.begins is not None:
        word += f" ({labels.say('act.since', lang, day=day_text(rule.begins))})"
    return f"{word}: {rule.lacks[lang]}" if rule.lacks[lang] else word


async def _instances(source: DossierSource) -> Rows:
    for rule in source.rules:
        for hit in await source.leaves_of(rule):
            words = labels.say_or(f"event.{hit.event.kind}", hit.event.kind, source.lang)
            yield rule.id, hit.event.at, words, hit.leaf, hit.event.id


async def _settings(source: DossierSource) -> Rows:
    origins = reading.sources(source.subject.settings)
    for name, value in reading.printable(source.subject.settings).items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else _cell(value)
        yield name, _QUERY_OF_ADDRESS.sub(r"\1…", _PATH_OF_ADDRESS.sub(r"\1\2", text)), origins.get(name)


async def _programs(source: DossierSource) -> Rows:
    libraries = {dist.metadata["Name"]: dist.version for dist in distributions()}
    libraries |= {"SQLite": sqlite3.sqlite_version, "OpenSSL": ssl.OPENSSL_VERSION}
    for name in sorted(libraries, key=str.casefold):
        yield name, __version__ if name.startswith("lienthong-gateway") else libraries[name]


async def _checks(source: DossierSource) -> Rows:
    for finding in source.findings:
        yield finding.check, source.say(f"level.{finding.level}"), finding.says(source.lang)


async def _backups(source: DossierSource) -> Rows:
    subject = source.subject
    notes = await subject.pool.run(partial(data_folder.backup_notes, subject.settings.node.data_dir))
    times = (notes.at, notes.verified_at, notes.sampled_at, notes.copied_at)
    for name, at in zip(("backup", "drill", "sample", "copy"), times, strict=True):
        result = source.say("backup.good") if at is not None else ""
        if name in notes.failed:
            failed_at, why = notes.failed[name]
            result = source.say("backup.failed", at=moment_text(failed_at), why=why)
        yield source.say(f"backup.{name}"), at, None if at is None else (source.now - at).days, result


async def _log(source: DossierSource) -> Rows:
    subject, exam = source.subject, source.examination
    head = await subject.store.log.head()
    anchoring = await read_anchoring(subject.store, subject.settings, subject.pool)
    since = local(source.now).date() - LOSS_DAYS
    counts = await list_counts(subject.store, since)
    states = await state_audit.list_counts(subject.store, since)
    seal = head.seal.signed if head.seal is not None else None
    facts: dict[str, object] = {
        "id": head.log_id,
        "size": head.size,
        "seal": seal and seal.seal.number,
        "sealed_at": seal and seal.seal.at,
        "sealed_size": seal and seal.seal.tree_size,
        "root": seal and seal.seal.root.hex(),
        "stamped": head.stamped and head.stamped.signed.seal.number,
        "published_at": head.published_at,
        "examined_at": exam and exam.at,
        "examined_lines": exam and exam.lines,
        "examined": exam and source.say("log.holds" if exam.holds else "log.broken"),
        "witnesses": f"{len(anchoring.cosigners)}/{anchoring.count}" if anchoring.count else None,
        "needed": anchoring.need if anchoring.count else None,
        "anchored_size": anchoring.size or None,
        "anchored_at": anchoring.at,
        "contradicted": ", ".join(f"{name} ({size})" for name, size in anchoring.contradicted),
        "histories": ", ".join(witness.name for witness in anchoring.histories),
        "compared": len(counts) or None,
        "differences": sum(len(count.open_differences) for count in counts) if counts else None,
        "states_compared": len(states) or None,
        "states_differing": sum(len(count.open_differences) for count in states) if states else None,
    }
    for name, fact in facts.items():
        yield source.say(f"log.{name}"), fact


async def _witnesses(source: DossierSource) -> Rows:
    stored = {witness.name: witness for witness in await list_witnesses(source.subject.store)}
    for address in addresses(source.subject.settings):
        row = stored.get(address.name, Witness(name=address.name))
        fault = source.say("two_histories") if row.other_history else row.fault
        yield row.name, row.held_size or None, row.cosigned_at, fault


async def _losses(source: DossierSource) -> Rows:
    for c in await list_counts(source.subject.store, local(source.now).date() - LOSS_DAYS):
        if c.differences:
            pair = c.sender.upper(), c.recipient.upper()
            yield c.day, c.node, *pair, c.own_count, c.other_count, len(c.open_differences)


async def _states(source: DossierSource) -> Rows:
    since = local(source.now).date() - LOSS_DAYS
    for c in await state_audit.list_counts(source.subject.store, since):
        repaired = sum(difference.closed_at is not None for difference in c.differences)
        if c.open_differences or repaired:
            yield c.day, c.node, c.sender.upper(), c.recipient.upper(), len(c.open_differences), repaired


async def _certificates(source: DossierSource) -> Rows:
    subject, now = source.subject, source.now
    own = {agency.code for agency in await subject.store.hosted() if agency.left_at is None}
    bindings = [(b.code, bound_until(b)) for b in await closed_registry(subject).in_force(now)]
    trusted = await certificates.trust_now(subject.settings.trust.folder, subject.store, now)
    rows = [("own", code, ends) for code, ends in bindings if code in own]
    rows += [("trusted", certificate.subject, certificate.ends_at) for certificate in trusted.certificates]
    rows += [("partner", c, ends) for c, ends in bindings if c not in own and ends - now <= _PARTNERS_SOON]
    for kind, name, ends in rows:
        yield source.say(f"certificate.{kind}"), name, ends, (ends - now).days
    for code in sorted(own - {code for code, _ in bindings}):
        yield source.say("certificate.own"), code, None, None


async def _controls(source: DossierSource) -> Rows:
    file = source.subject.settings.node.controls
    if file is None:
        for n, heading in enumerate(_HEADINGS.split(), start=1):
            key, _, evidence = heading.partition(":")
            yield n, source.say(f"heading.{key}"), "", "", "", evidence, _evidence(source, evidence)
        return
    for row in await source.subject.pool.run(partial(read_controls, file)):
        yield *row, _evidence(source, row[-1])


def read_controls(file: Path) -> list[tuple[str, ...]]:
    """Read a table of controls: CSV in UTF-8 whose first line names the columns. Misconfigured for another file."""
    try:
        text = file.read_bytes()[:_MOST_CONTROLS].decode("utf-8-sig")
        separator = ";" if ";" in text.partition("\n")[0] else ","
        titles, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    except (OSError, ValueError, csv.Error) as cause:
        raise Misconfigured(f"node.controls: {file} cannot be read as CSV in UTF-8") from cause
    if missing := {*_CONTROLS} - {*(names := [title.strip() for title in titles])}:
        raise Misconfigured(f"node.controls: {file} lacks the columns {', '.join(sorted(missing))}")
    tables = [dict(zip(names, map(str.strip, row), strict=False)) for row in rows if any(row)]
    return [tuple(table.get(name, "") for name in _CONTROLS) for table in tables]


def _evidence(source: DossierSource, names: str) -> str:
    """Return what the node has under these names of sections and checks; nothing for a name that it does not know."""
    results: list[str] = []
    for name in names.replace(",", " ").split():
        places = [n for n, section in enumerate(source.sections, start=1) if section.key == name]
        results += [source.say("see", n=n, title=source.say(name)) for n in places]
        results += source.results_of(name)
    return "\n".join(results)


SECTIONS: Mapping[str, tuple[str, Callable[[DossierSource], Rows]]] = {
    "node": ("name:2 value:5", _node),
    "acts": ("act:3 title:6 from:2 to:2 in_force:2 compared:2", _acts),
    "rules": ("rule:2.4 text:5 bases:4 state:4 does:2 tests:3.4 results:5 last:2.4", _rules),
    "instances": ("rule:2 at:2.4 event:6 leaf:1.5 id:4", _instances),
    "checks": ("check:2 level:1.5 says:8", _checks),
    "backups": ("name:4 at:2 days:1.5 result:5", _backups),
    "log": ("name:4 value:5", _log),
    "witnesses": ("witness:3 leaf:2 at:2 fault:4", _witnesses),
    "losses": ("day:1.5 node:2 sender:2 recipient:2 own:1.2 other:1.2 open:1.2", _losses),
    "states": ("day:1.5 node:2 sender:2 recipient:2 differing:1.2 repaired:1.2", _states),
    "certificates": ("name:3 subject:6 to:2 days:1.5", _certificates),
    "settings": ("name:3 value:6 source:4", _settings),
    "programs": ("name:4 version:4", _programs),
    "controls": ("number:1 heading:3 requirement:3 measure:3 who:2 evidence:2 on_node:4", _controls),
}
"""Sections in their order: columns with their widths, and the reader of the rows. Controls come last, because they point to
the sections before them."""
