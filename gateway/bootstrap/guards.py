"""Wires the guards: the rules as the settings want them, the judges of certificates, and the protection against malware and
secrets. In: settings, and the store and pool that are open. Out: frozen values for the policies (what may be sent, whom to
trust how long, how large an envelope may be); budgets of agencies and partners; a `NodeTrust` with its anchors and the
answers about revocation, and the loop that asks for them; the scanner for malware and the sealed hold; the sealer of the
log, and the gate that holds intake back where a timestamp is demanded. Nothing runs on import."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.budgets import ByteBudget
from gateway.domain.account import read_network
from gateway.domain.agency_profile import OF_RULES, SETTINGS
from gateway.domain.document import DeliveryMode
from gateway.domain.timer_table import TIMERS
from gateway.domain.webhook import Reach
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import Misconfigured
from gateway.folder.layout import NOTE, FolderRules
from gateway.holding import HoldService
from gateway.http_calls import Bounds, load_library, parse_url
from gateway.incoming.partners import PartnerMail
from gateway.incoming.receive import NodeMail
from gateway.incoming.services import IncomingServices, PdfAsking
from gateway.policy.profile import Profile
from gateway.policy.trust import TrustPolicy
from gateway.policy.upkeep import Rhythm
from gateway.ports.services import Clock, Pool, Posted, Poster, Scanner
from gateway.registry.directory import SqlDirectory
from gateway.settings.options import DELIVERY_MODES, LISTS, SECTIONS, Settings
from gateway.settings.reading import sqlite_file
from gateway.store.blobs import SCRATCH, FileBlobs
from gateway.store.folder_marks import FolderMarks
from gateway.store.log import SqlEventLog
from gateway.store.revocation import SqlRevocationAnswers
from gateway.store.store import SqlStore
from gateway.store.vault import FileVault
from gateway.trust import authorities, seals
from gateway.trust.authorities import AskedAuthorities
from gateway.trust.clamav import ClamScanner, NoScanner, ScanLimits, read_address
from gateway.trust.evidence import AnswerFiles, Answers, NodeTrust
from gateway.trust.pdf_answer_files import find_answers
from gateway.trust.pdf_authorities import PdfAuthorities, read_pdf_sources
from gateway.trust.pdf_signatures import sandbox
from gateway.trust.pdf_signatures.sandbox import PdfSandbox, SignatureReader
from gateway.trust.sealing import SealedSecrets
from gateway.webhooks import Sender, WebhookService
from gateway.workers.clock_guard import ClockGuard
from gateway.workers.event_log import LogSealer, StampGate
from gateway.workers.revocation import RevocationAsker

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.witnesses import LetterPost
    from gateway.ports.axis import ManagedAxis
    from gateway.registry_authoring.feed import SqlFeed
    from gateway.transport.webhook import HttpPoster
    from gateway.trust.page_drawing.drawer import ScanReader

MB = 1024 * 1024
# Sections in which the processes of one node may differ.
_OF_ONE_PROCESS = frozenset({"api", "metrics"})
SEALED = "sealed"  # in the content folder, which all nodes of one database share; no backup has it


def profile(settings: Settings) -> Profile:
    """Return the rules' numbers, with the sizes of this node."""
    modes = DELIVERY_MODES.read(settings.rules.delivery_modes)
    return Profile(
        max_file_bytes=settings.limits.file_mb * MB,
        max_document_bytes=settings.limits.document_mb * MB,
        revocation_grace=timedelta(hours=settings.trust.revocation_grace_h),
        scan_required=settings.scanner.required == "yes",
        max_quarantine_bytes=settings.limits.quarantine_mb * MB,
        unsigned_lead=_unsigned_lead(settings),
        recall_approval=settings.rules.recall_approval,
        # The head's own list of documents on paper (R6, electronic or paper); its form was checked already.
        delivery_modes={key: DeliveryMode(word) for key, word in (modes or {}).items()},
        pdf_roles=sandbox.read_roles(settings.trust.folder / "pdf"),
    )


def profile_defaults(settings: Settings) -> Mapping[str, str]:
    """Return the settings that hold where an agency's profile chose nothing, by their names."""
    names = [s.default for s in SETTINGS.values() if "." in s.default and not s.default.startswith(OF_RULES)]
    return {name: str(attrgetter(name)(settings)) for name in names}


def timer_lengths(settings: Settings) -> Mapping[str, int]:
    """Return the lengths of timers that are settings of the node, by timer; 0 where it turned one off."""
    rows = [row for row in TIMERS.values() if row.setting]
    return {row.timer: int(attrgetter(row.setting)(settings)) for row in rows}


def _unsigned_lead(settings: Settings) -> str:
    """Return the setting; on `auto`, a node that can judge signatures refuses an unsigned lead."""
    if settings.rules.unsigned_lead != "auto":
        return settings.rules.unsigned_lead
    return "refuse" if (settings.trust.folder / "pdf" / "ca.pem").is_file() else "warn"


def trust_policy(settings: Settings) -> TrustPolicy:
    """Return how long an unknown revocation is tolerated, and whom a foreign axis may vouch for. Misconfigured where axes
    differ: a packet that two of them bring has one proof."""
    choices = [alone.axis.vouches for alone in settings.each_axis().values()]
    if len(set(choices)) > 1:
        raise Misconfigured("vouches differs between axes of [[axes]]: set the same for each of them")
    return TrustPolicy(
        revocation_grace=timedelta(hours=settings.trust.revocation_grace_h), axis_vouches=choices[0]
    )


def xml_policy(settings: Settings) -> XmlPolicy:
    """Return the limits of an envelope on this node's axis."""
    limits = EnvelopeLimits(max_bytes=settings.limits.envelope_mb * MB)
    return XmlPolicy(limits=limits, table=settings.trust.algorithms)


@dataclass(frozen=True, kw_only=True)
class Judging:
    """The parts that judge certificates, and ask about them."""

    trust: NodeTrust
    authorities: AskedAuthorities


def make_judging(settings: Settings, clock: Clock) -> Judging:
    """Read the trust folder. Misconfigured says what is missing in it."""
    folder = settings.trust.folder
    anchors = folder / "ca.pem"
    if not anchors.is_file():
        raise Misconfigured(
            f"there are no trust anchors: {anchors} does not exist",
            hint="put the root certificates of the exchange certificates there, in PEM form",
        )
    sources = authorities.read_sources(folder)
    answers = Answers(AnswerFiles(folder), asks=bool(sources))
    between = sorted((folder / "chain").glob("*.pem"))
    algorithms = settings.trust.algorithms
    trust = NodeTrust.from_files(anchors, between, answers=answers, now=clock.now, algorithms=algorithms)
    return Judging(trust=trust, authorities=AskedAuthorities(sources, trust.chains, answers))


async def make_asking(
    services: IncomingServices, judges: Judging, answers: SqlRevocationAnswers, directory: SqlDirectory
) -> RevocationAsker:
    """Make the loop, with the answers of before the node stopped."""

    async def bound() -> Sequence[bytes]:
        return [b.certificate_der for b in await directory.in_force(services.clock.now())]

    loop = RevocationAsker(services, judges.authorities, answers, bound)
    if judges.authorities.configured:
        await loop.learn()
    return loop


def sandboxes(settings: Settings) -> list[PdfSandbox]:
    """Make a reader of hostile PDFs for each core, none running yet; half of the pool's threads are left for other work."""
    return [
        PdfSandbox(settings.trust.folder / "pdf", last_days=settings.trust.algorithms.days)
        for _ in range(max(1, min(os.cpu_count() or 1, settings.workers.threads // 2)))
    ]


def scan_reader(settings: Settings, pool: Pool) -> ScanReader | None:
    """Make the reader of scanned pages, not running yet; None where that is off, or Tesseract is missing."""
    if settings.pages.scans == "off":
        return None
    from gateway.trust.page_drawing.drawer import ScanBox, ScanReader, is_readable

    return ScanReader(ScanBox(settings.node.data_dir / "content" / SCRATCH), pool) if is_readable() else None


def signature_reader(core: NodeCore, stack: AsyncExitStack) -> SignatureReader:
    """Make the reader of PDFs, whose processes end with the stack. Answers that facts rest on are stored first: files of
    the trust folder change."""
    folder, answers = core.settings.trust.folder / "pdf", core.store.pdf_answers

    async def keep(digests: Sequence[str]) -> None:
        if lacking := await answers.use(digests):
            now = core.clock.now()
            await answers.keep_used(await core.pool.run(lambda: find_answers(folder, lacking, now)))

    boxes, scans = sandboxes(core.settings), scan_reader(core.settings, core.pool)
    for close in [*(box.close for box in boxes), *([scans.close] if scans else [])]:
        stack.callback(close)
    return SignatureReader(boxes, core.pool, keep, scans)


def pdf_asking(core: NodeCore) -> PdfAsking | None:
    """Make the means to ask about PDF certificates; None where the trust folder names no authority to ask."""
    sources = read_pdf_sources(core.settings.trust.folder / "pdf")
    if sources is None:
        return None
    return PdfAsking(authorities=PdfAuthorities(sources), answers=core.store.pdf_answers)


def unsent_budget(core: NodeCore, blobs: FileBlobs) -> ByteBudget:
    limit = core.settings.limits.unsent_mb * MB
    return ByteBudget(limit=limit, count=core.store.unsent_bytes, share=blobs.room_share)


def partner_mail(core: NodeCore, blobs: FileBlobs) -> PartnerMail:
    async def count(agency_id: str) -> Mapping[str, int]:
        return (await core.store.partner_bytes(agency_id)).get(agency_id, {})

    limit = core.settings.limits.partner_mb * MB
    return PartnerMail(budget=ByteBudget(limit=limit, count=count, share=blobs.room_share, lets_one=True))


def webhook_reach(settings: Settings) -> Reach:
    """Return the networks that webhooks may reach. Misconfigured for a text that is no network."""
    webhooks = settings.webhooks
    try:
        networks = tuple(read_network(part) for part in webhooks.networks.split(",") if part.strip())
    except ValueError as why:
        raise Misconfigured(
            f"webhooks.networks: {why}", hint='write networks with commas between: "10.20.0.0/16, 192.0.2.7"'
        ) from why
    return Reach(networks=networks, plain=webhooks.plain_http == "yes")


def alarm_poster(settings: Settings, pool: Pool) -> LatePoster:
    """Make the poster of the node's own alarms. Their address is the operator's own, in any network."""
    networks = tuple(map(read_network, ("0.0.0.0/0", "::/0")))
    return LatePoster(settings, pool, Reach(networks=networks, plain=True))


class LatePoster:
    """Poster of webhooks. Its library, a tenth of an idle worker's memory, is loaded in a thread for the first of them.
    `reach`: other networks than those of the settings."""

    def __init__(self, settings: Settings, pool: Pool, reach: Reach | None = None) -> None:
        self._settings, self._pool, self._reach = settings, pool, reach
        self._poster: HttpPoster | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        if self._poster is None:
            poster = await self._pool.run(self._make)
            self._poster = self._poster or poster
        return await self._poster.post(url, body, headers)

    def _make(self) -> HttpPoster:
        load_library()
        from gateway.transport import webhook

        webhooks = self._settings.webhooks
        return webhook.HttpPoster(
            self._reach or webhook_reach(self._settings),
            timeout_s=webhooks.timeout_s,
            at_once=webhooks.at_once,
            agent=f"gateway/{__version__}",
            ca=webhooks.ca,
        )

    async def close(self) -> None:
        if self._poster is not None:
            await self._poster.close()


def webhook_service(
    settings: Settings, store: SqlStore, poster: Poster, clock: Clock, pool: Pool
) -> WebhookService:
    secrets = SealedSecrets(settings.keys.folder, settings.keys.passwords)
    return WebhookService(
        rows=store.webhooks,
        sender=Sender(poster=poster, secrets=secrets, clock=clock, pool=pool),
        reach=webhook_reach(settings),
        clock=clock,
        pool=pool,
        wake=lambda: store.wake.ring("webhooks", "sequencer"),
    )


def clock_guard(settings: Settings, store: SqlStore, clock: Clock) -> ClockGuard:
    has_server = sqlite_file(settings) is None
    return ClockGuard(
        measure=(lambda: store.clock_gap(clock.now)) if has_server else None,
        clock=clock,
        lease_s=settings.workers.lease_s,
    )


def own_view(settings: Settings, marks: FolderMarks, guard: ClockGuard) -> Mapping[str, object]:
    """Return what this process sees of itself: its version, a digest of its settings, and its faults by check."""
    faults = {f"folder.{strange.place}": str(strange.path) for strange in marks.strange}
    if why := seals.key_fault(settings.keys.folder, settings.keys.passwords):
        faults["keys"] = why
    if not guard.agrees():
        faults["clock"] = f"{guard.gap().total_seconds():.0f} s"
    common = [getattr(settings, name) for name in (*SECTIONS, *LISTS) if name not in _OF_ONE_PROCESS]
    digest = hashlib.sha256(repr(common).encode()).hexdigest()[:12]
    return {"version": __version__, "settings": digest, "faults": faults}


def scanner(settings: Settings, pool: Pool) -> Scanner:
    """Make the scanner for malware, or one that scans nothing. Misconfigured when its address cannot be read."""
    if not settings.scanner.address:
        return NoScanner()
    limits = ScanLimits(timeout_s=settings.scanner.timeout_s, max_bytes=settings.scanner.max_mb * MB)
    return ClamScanner(read_address(settings.scanner.address), pool, limits)


def vault(settings: Settings, pool: Pool) -> FileVault:
    """Open the vault of sealed content."""
    return FileVault(settings.node.data_dir / "content" / SEALED, pool)


def make_hold(
    settings: Settings, store: SqlStore, blobs: FileBlobs, sealed: FileVault, clock: Clock, pool: Pool
) -> HoldService:
    """Make the sealed hold; Misconfigured when the recipient's key is set and cannot be used."""
    recipient, sealer = settings.seal.recipient, None
    if recipient is not None:
        from gateway.trust.hold_seal import RecipientSealer

        sealer = RecipientSealer.from_file(recipient)
    return HoldService(
        store=store,
        blobs=blobs,
        vault=sealed,
        sealer=sealer,
        clock=clock,
        pool=pool,
    )


def folder_rules(settings: Settings) -> FolderRules | None:
    """Return the settings of the hot folder; None where there is none."""
    folder = settings.folder
    if folder.root is None:
        return None
    codes = frozenset(code.strip().casefold() for code in folder.agencies.split(",") if code.strip())
    return FolderRules(
        root=folder.root,
        node=settings.node.name,
        note=settings.node.data_dir / NOTE,
        agencies=codes or None,
        look_s=folder.look_s,
        settle_s=folder.settle_s,
        wait_s=folder.wait_min * 60,
        batch=folder.batch,
        most_in=folder.unacked,
        sent_days=folder.sent_days,
        error_days=folder.error_days,
    )


def node_mail(core: NodeCore, axis: ManagedAxis, feed: SqlFeed, blobs: FileBlobs) -> NodeMail:
    """Return the axis that hands over feeds and letters for the node. What reads letters is loaded with the first one:
    most nodes get none."""
    post: list[LetterPost] = []

    async def accept_feed(path: Path, node: str | None) -> None:
        await feed.accept(path, f"node {node}" if node else "axis")

    async def take_letter(path: Path, node: str | None) -> None:
        from gateway.bootstrap.witnesses import open_post

        if not post:
            post.append(open_post(core, axis))
        await post[0].take(path, node)

    return NodeMail(axis, accept_feed, take_letter, blobs, core.pool)


def stamp_gate(settings: Settings, events: SqlEventLog, clock: Clock) -> StampGate:
    return StampGate(log=events, clock=clock, most=timedelta(hours=settings.log.require_timestamp_h))


def published_seal(settings: Settings, log_id: str) -> int:
    """Return the number of the newest seal that left the node; 0 where none did."""
    return seals.newest_published(settings.log.publish_folder, log_id)


def log_sealer(settings: Settings, events: SqlEventLog, clock: Clock, pool: Pool) -> LogSealer:
    """Make the sealer of the log. Misconfigured when a timestamp authority is set without roots for its time."""
    log, folder = settings.log, settings.log.publish_folder
    return LogSealer(
        log=events,
        open_key=partial(
            seals.open_seal_key,
            settings.keys.folder,
            settings.keys.passwords,
        ),
        clock=clock,
        pool=pool,
        rhythm=Rhythm(
            seal=timedelta(seconds=log.seal_every_s),
            stamp=timedelta(seconds=log.tsa_every_s),
            publish=timedelta(hours=log.publish_every_h),
        ),
        authority=_timestamp_authority(settings) if log.tsa_url else None,
        publish=partial(seals.publish_seal, folder) if folder is not None else None,
    )


def _timestamp_authority(settings: Settings) -> seals.TimestampAuthority:
    parse_url(settings.log.tsa_url)
    return seals.TimestampAuthority(
        url=settings.log.tsa_url,
        roots=seals.read_time_roots(settings.trust.folder / "tsa" / "ca.pem"),
        bounds=Bounds(answer_bytes=seals.STAMP_BOUNDS.answer_bytes, seconds=settings.log.tsa_timeout_s),
    )
