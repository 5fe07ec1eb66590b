"""Wires what decides whether something may pass: the rules as the settings want them, what judges certificates, and
what keeps harm out. In: settings, and the store and pool that are open. Out: frozen values for the policies (what may
be sent, whom to trust how long, how large an envelope may be); a `NodeTrust` with its anchors and the answers about
revocation, and the loop that asks for them; the scanner for malware and the sealed hold. Nothing runs on import."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.domain.account import read_network
from gateway.domain.document import DeliveryMode
from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.domain.webhook import Reach
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.errors import Misconfigured
from gateway.folder.layout import NOTE, FolderRules
from gateway.holding import HoldDesk
from gateway.incoming.desk import InDesk
from gateway.policy import timers
from gateway.policy.profile import Profile
from gateway.policy.trust import TrustPolicy
from gateway.ports.services import Clock, Pool, Poster, Scanner
from gateway.registry.directory import SqlDirectory
from gateway.settings import Settings
from gateway.settings.options import DELIVERY_MODES
from gateway.store.blobs import FileBlobs, FileVault
from gateway.store.calendar import SqlCalendarDays
from gateway.store.revocation import SqlRevocationAnswers
from gateway.store.store import SqlStore
from gateway.trust import authorities
from gateway.trust.authorities import AskedAuthorities
from gateway.trust.clamav import ClamScanner, NoScanner, ScanLimits, read_address
from gateway.trust.evidence import AnswerFiles, Answers, NodeTrust
from gateway.trust.pdf_signatures import sandbox
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.sealing import SealedSecrets, SystemSecretBox
from gateway.webhooks import Sender, WebhookDesk
from gateway.workers.revocation import Asking

MB = 1024 * 1024


def profile(settings: Settings) -> Profile:
    """The rules' numbers, with the sizes of this node."""
    modes = DELIVERY_MODES.read(settings.rules.delivery_modes)
    return Profile(
        max_file_bytes=settings.limits.file_mb * MB,
        max_document_bytes=settings.limits.document_mb * MB,
        revocation_grace=timedelta(hours=settings.trust.revocation_grace_h),
        scan_required=settings.scanner.required == "yes",
        max_quarantine_bytes=settings.limits.quarantine_mb * MB,
        unsigned_lead=_unsigned_lead(settings),
        recall_approval=settings.rules.recall_approval,
        # The head's own list of what goes on paper (R6); its form was checked when it was read.
        delivery_modes={key: DeliveryMode(word) for key, word in (modes or {}).items()},
        pdf_roles=sandbox.read_roles(settings.trust.folder / "pdf"),
    )


def _unsigned_lead(settings: Settings) -> str:
    """What was set; otherwise a node that can tell a good signature asks for one."""
    if settings.rules.unsigned_lead != "auto":
        return settings.rules.unsigned_lead
    return "refuse" if (settings.trust.folder / "pdf" / "ca.pem").is_file() else "warn"


def trust_policy(settings: Settings) -> TrustPolicy:
    """How long we bear not knowing, and whom a foreign axis may vouch for. Misconfigured where several say it otherwise: a
    packet that two of them bring has one proof."""
    told = {alone.axis.vouches for alone in settings.each_axis().values()}
    if len(told) > 1:
        raise Misconfigured("vouches differs between axes of [[axes]]: set the same for each of them")
    return TrustPolicy(
        revocation_grace=timedelta(hours=settings.trust.revocation_grace_h), axis_vouches=told.pop()
    )


def xml_policy(settings: Settings) -> XmlPolicy:
    """What an envelope may be on this node's axis."""
    return XmlPolicy(limits=EnvelopeLimits(max_bytes=settings.limits.envelope_mb * MB))


def office_hours(settings: Settings, calendar: SqlCalendarDays) -> Callable[[], Awaitable[OfficeCalendar]]:
    """When the agencies of this node work, as it is now: an administrator may have changed a day a moment ago."""
    weekdays, spans = timers.read_weekdays(settings.office.weekdays), timers.read_spans(settings.office.hours)

    async def now() -> OfficeCalendar:
        return timers.calendar_of(weekdays, spans, SHIPPED, await calendar.days())

    return now


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What is needed to judge certificates, and to ask about them."""

    trust: NodeTrust
    authorities: AskedAuthorities


def judging(settings: Settings, clock: Clock) -> Judging:
    """From the trust folder. Misconfigured says what is missing in it."""
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
    trust = NodeTrust.from_files(anchors, between, answers=answers, now=clock.now)
    return Judging(trust=trust, authorities=AskedAuthorities(sources, trust.chains, answers))


async def asking(
    desk: InDesk, judges: Judging, answers: SqlRevocationAnswers, directory: SqlDirectory
) -> Asking:
    """The loop, which has learned already what the node knew before it stopped."""

    async def bound() -> Sequence[bytes]:
        return [each.certificate_der for each in await directory.in_force(desk.clock.now())]

    made = Asking(desk, judges.authorities, answers, bound)
    if judges.authorities.configured:
        await made.learn()
    return made


def sandboxes(settings: Settings) -> list[PdfSandbox]:
    """A reader of hostile PDFs for each core, none of them running yet; half of the pool's threads are left for others."""
    return [
        PdfSandbox(settings.trust.folder / "pdf")
        for _ in range(max(1, min(os.cpu_count() or 1, settings.workers.threads // 2)))
    ]


def webhook_reach(settings: Settings) -> Reach:
    """Where webhooks may go. Misconfigured for what is no network."""
    told = settings.webhooks
    try:
        networks = tuple(read_network(each) for each in told.networks.split(",") if each.strip())
    except ValueError as why:
        raise Misconfigured(
            f"webhooks.networks: {why}", hint='write networks with commas between: "10.20.0.0/16, 192.0.2.7"'
        ) from why
    return Reach(networks=networks, plain=told.plain_http == "yes")


def webhook_desk(
    settings: Settings, store: SqlStore, poster: Poster, clock: Clock, pool: Pool
) -> WebhookDesk:
    password = settings.keys.password
    secrets = SealedSecrets(settings.keys.folder, password.reveal().encode() if password else None)
    return WebhookDesk(
        rows=store.webhooks,
        sender=Sender(poster=poster, secrets=secrets, clock=clock, pool=pool),
        reach=webhook_reach(settings),
        clock=clock,
        pool=pool,
        wake=lambda: store.wake.ring("webhooks", "sequencer"),
    )


def system_secrets(settings: Settings) -> SystemSecretBox:
    """Of document systems that speak as the national axis's clients do."""
    password = settings.keys.password
    return SystemSecretBox(settings.keys.folder, password.reveal().encode() if password else None)


SEALED = "sealed"  # in the content folder, which all nodes of one database share; no backup has it


def scanner(settings: Settings, pool: Pool) -> Scanner:
    """The scanner for malware, or the one that says nothing. Misconfigured when its address cannot be read."""
    if not settings.scanner.address:
        return NoScanner()
    limits = ScanLimits(timeout_s=settings.scanner.timeout_s, max_bytes=settings.scanner.max_mb * MB)
    return ClamScanner(read_address(settings.scanner.address), pool, limits)


def vault(settings: Settings, pool: Pool) -> FileVault:
    """Where sealed content lies."""
    return FileVault(settings.node.data_dir / "content" / SEALED, pool)


def holding(
    settings: Settings, store: SqlStore, blobs: FileBlobs, apart: FileVault, clock: Clock, pool: Pool
) -> HoldDesk:
    """The sealed hold; Misconfigured when the recipient's key is set and cannot be used."""
    recipient, sealer = settings.seal.recipient, None
    if recipient is not None:
        from gateway.trust.hold_seal import RecipientSealer

        sealer = RecipientSealer.from_file(recipient)
    return HoldDesk(
        store=store,
        blobs=blobs,
        vault=apart,
        sealer=sealer,
        clock=clock,
        pool=pool,
    )


def folder_rules(settings: Settings) -> FolderRules | None:
    """The hot folder as it was set; None where there is none."""
    told = settings.folder
    if told.root is None:
        return None
    named = frozenset(each.strip().casefold() for each in told.agencies.split(",") if each.strip())
    return FolderRules(
        root=told.root,
        node=settings.node.name,
        note=settings.node.data_dir / NOTE,
        agencies=named or None,
        look_s=told.look_s,
        settle_s=told.settle_s,
        wait_s=told.wait_min * 60,
        batch=told.batch,
        most_in=told.unacked,
        sent_days=told.sent_days,
        error_days=told.error_days,
    )
