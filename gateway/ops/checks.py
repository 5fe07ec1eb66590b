"""The list of all checks of a node, and the one way to run a selection of them: for the doctor, a load balancer, metrics,
the status screen, the home page and the test of the line. In: a `Subject`, which is an open node, or a node's settings.
Out: findings, in the order in which a person would mend things. It changes nothing; a check that cannot be made is a red
finding. The checks are defined in `checks_of_parts`, `checks_of_trust` and `checks_of_lines`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.bootstrap.node import OpenNode
from gateway.domain.diagnosis import Diagnosis, Level, Tag
from gateway.ops import checks_of_lines as lines
from gateway.ops import checks_of_parts as parts
from gateway.ops import checks_of_trust as trust
from gateway.ops import checks_of_watch as watching
from gateway.ops.subject import SOON_S, Check, Subject, run_cached

_DEAR, _HOME, _LINE = frozenset({Tag.DOCTOR}), frozenset({Tag.HOME}), frozenset({Tag.LINE})
_USUAL = _DEAR | {Tag.METRICS}
_STATUS, _ALWAYS, _OFTEN = _USUAL | {Tag.STATUS}, _USUAL | {Tag.READY}, frozenset({Tag.READY, Tag.METRICS})
_DATABASE = "doctor.database.cure"
_HOUR, _SELDOM = timedelta(hours=1), timedelta(minutes=10)
CHECKS: tuple[Check, ...] = (
    Check(name="folder", run=parts.folders, tags=_USUAL),
    Check(name="disk", run=parts.disks, tags=_ALWAYS),
    Check(name="content", run=watching.bucket, tags=_ALWAYS | {Tag.STATUS}, hasty_s=SOON_S),
    Check(name="database.file", run=parts.database_file, tags=_STATUS),
    Check(name="secrets", run=watching.secrets, tags=_USUAL),
    Check(name="leftovers", run=watching.leftovers, tags=_DEAR),
    Check(name="memory", run=watching.memory, tags=_USUAL),
    Check(name="backup", run=watching.backups, tags=_USUAL),
    Check(name="backup", run=watching.backup_failures, tags=_STATUS),
    Check(name="clock", run=parts.clock, tags=_STATUS),
    Check(name="trust", run=trust.anchors, tags=_STATUS),
    Check(name="revocation", run=trust.lists, tags=_STATUS),
    Check(name="workers", run=parts.workers, tags=_ALWAYS),
    Check(name="process", run=parts.processes, tags=_ALWAYS | {Tag.STATUS}),
    Check(name="pace", run=parts.pace, tags=_USUAL),
    Check(name="database.lock", run=parts.locks, tags=_ALWAYS | {Tag.STATUS}, first=True),
    Check(name="database", run=parts.database, tags=_DEAR, first=True, cure=_DATABASE),
    Check(name="database", run=parts.answers, tags=_OFTEN, first=True, cure=_DATABASE),
    Check(name="database", run=parts.writes, tags=_ALWAYS, of_store=True, cure=_DATABASE),
    Check(name="folder", run=parts.marked_folders, tags=_ALWAYS | {Tag.STATUS}, of_store=True),
    Check(name="clock", run=parts.server_clock, tags=_DEAR, of_store=True),
    Check(name="clock", run=parts.server_clock, tags=_OFTEN),
    Check(name="maintenance", run=watching.maintenance, tags=_DEAR | {Tag.STATUS}, of_store=True),
    Check(name="maintenance", run=watching.maintenance, tags=_OFTEN),
    Check(name="content", run=watching.content_places, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="statistics", run=watching.statistics, tags=_DEAR, of_store=True),
    Check(name="restored", run=parts.restored, tags=_USUAL, of_store=True),
    Check(name="trust", run=trust.algorithms, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="agencies", run=trust.agencies, tags=_USUAL, of_store=True),
    Check(name="bindings", run=trust.bindings, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="delegation", run=trust.delegated, tags=_STATUS, of_store=True),
    Check(name="axis-lists", run=trust.axis_lists, tags=_STATUS, of_store=True),
    Check(name="people", run=trust.people, tags=_STATUS, of_store=True),
    Check(name="people", run=trust.approved_anchors, tags=_STATUS, of_store=True),
    Check(name="work", run=parts.work, tags=_USUAL, of_store=True),
    Check(name="witnesses", run=watching.witnesses, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="losses", run=watching.losses, tags=_STATUS | _HOME, of_store=True, every=_SELDOM),
    Check(name="partners", run=watching.silent_partners, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="jobs", run=parts.jobs, tags=_STATUS, of_store=True),
    Check(name="log", run=parts.log, tags=_ALWAYS | {Tag.STATUS}, of_store=True),
    Check(name="log", run=trust.stamps, tags=_STATUS, of_store=True, every=_SELDOM),
    Check(name="revocation", run=trust.asked_authorities, tags=_USUAL, of_store=True),
    Check(name="pdf-revocation", run=trust.pdf_signers, tags=_USUAL, of_store=True),
    Check(name="hold", run=parts.hold, tags=_STATUS, of_store=True),
    Check(name="hot-folder", run=parts.hot_folders, tags=_USUAL, of_store=True),
    Check(name="webhooks", run=parts.webhooks, tags=_STATUS, of_store=True),
    Check(name="compat", run=parts.systems, tags=_STATUS, of_store=True),
    Check(name="axis", run=lines.axes, tags=_DEAR, cure=lines.CURE),
    Check(name="axis", run=lines.states, tags=_OFTEN),
    Check(name="axis", run=lines.parcels, tags={Tag.METRICS}),
    Check(name="certificates", run=lines.servers, tags=_DEAR),
    Check(name="certificates", run=lines.servers_soon, tags={Tag.METRICS}, every=_HOUR),
    Check(name="scanner", run=parts.scanner, tags=_ALWAYS, hasty_s=SOON_S),
    Check(name="scans", run=watching.scans, tags=_DEAR),
    Check(name="alarms", run=watching.alarms, tags=_STATUS),
    Check(name="trial", run=parts.trial, tags={Tag.READY}),
    Check(name="copies", run=parts.copies, tags=_HOME),
    Check(name="disk", run=parts.disk_lasts, tags=_HOME),
    Check(name="settings", run=lines.steps, tags=_LINE, words="axis.check"),
    Check(name="sign", run=lines.signatures, tags=_LINE, words="operating.line"),
    Check(name="clock", run=lines.server_gap, tags=_LINE, words="operating.line"),
)
# How long findings are reused for a tag without an entry in KEPT_FOR.
_DEFAULT_AGE = timedelta(seconds=20)
KEPT_FOR: Mapping[Tag, timedelta] = {Tag.READY: timedelta(seconds=2), Tag.LINE: timedelta()}


async def examine(subject: Subject, tag: Tag = Tag.DOCTOR) -> list[Diagnosis]:
    """Run the checks that have this tag, and return their findings. After a red `first` check those `of_store` are
    skipped."""
    all_findings: list[Diagnosis] = []
    broken: Diagnosis | None = None
    try:
        for check in (check for check in CHECKS if tag in check.tags):
            if check.of_store and broken is not None:
                if tag in (Tag.READY, Tag.METRICS):
                    skipped = Diagnosis(check.name, Level.SKIPPED, "before", words="axis.check")
                    all_findings.append(replace(skipped, word=broken.word, source=check.name))
                continue
            findings = await run_cached(check, subject, tag)
            if check.first:
                broken = broken or next((f for f in findings if f.level is Level.RED), None)
            all_findings += findings
    finally:
        await subject.close()
    return all_findings


@dataclass(slots=True, kw_only=True)
class Watch:
    """Health probe (`ports.services.HealthProbe`) of one open node. Findings are reused for some seconds, so that frequent
    callers cannot load the node (threat 91, costly health checks)."""

    node: OpenNode
    _subject: Subject = field(init=False)
    _draining: bool = False
    _findings_by_tag: dict[Tag, tuple[datetime, Sequence[Diagnosis]]] = field(default_factory=dict)
    _locks: dict[Tag, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def __post_init__(self) -> None:
        self._subject = Subject.within(self.node)

    def drain(self) -> None:
        """Report the node as not ready from now on: load balancers send new calls elsewhere while running calls end."""
        self._draining = True

    async def alive(self) -> Sequence[Diagnosis]:
        loops = self.node.pulse.loops().items()
        return [
            _of_process(f"loop.{name}", "ok" if turns else "stuck", stops=not turns) for name, turns in loops
        ]

    async def ready(self) -> Sequence[Diagnosis]:
        if self._draining:
            return [_of_process("process", "draining", stops=True)]
        return await self.list_findings(Tag.READY)

    async def list_findings(self, tag: Tag) -> Sequence[Diagnosis]:
        async with self._locks[tag]:
            now, cached = self.node.clock.now(), self._findings_by_tag.get(tag)
            if cached is None or not timedelta() <= now - cached[0] < KEPT_FOR.get(tag, _DEFAULT_AGE):
                cached = self._findings_by_tag[tag] = now, await examine(self._subject, tag)
            return cached[1]


def _of_process(check: str, word: str, *, stops: bool) -> Diagnosis:
    level, cause = (Level.RED, "stuck") if stops else (Level.GREEN, "turns")
    return Diagnosis(check, level, cause, word=word, stops=stops, words="operating.jobs")
