"""Wires what judges certificates: anchors, answers about revocation, and whom the node asks for them. In: settings, the
store, the desk. Out: a `Trust` that knows what was answered, and the loop that asks. Part of the wiring; nothing runs on
import."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import Misconfigured
from gateway.incoming.desk import InDesk
from gateway.ports import Clock, RevocationAnswers
from gateway.registry.directory import SqlDirectory
from gateway.settings import Settings
from gateway.trust import revocation_sources
from gateway.trust.answers import AnswerFiles, Answers
from gateway.trust.authorities import Authorities
from gateway.trust.evidence import Trust
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.workers.revocation import Asking


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What is needed to judge certificates, and to ask about them."""

    trust: Trust
    authorities: Authorities


def judging(settings: Settings, clock: Clock) -> Judging:
    """From the trust folder. Misconfigured says what is missing in it."""
    folder = settings.trust.folder
    anchors = folder / "ca.pem"
    if not anchors.is_file():
        raise Misconfigured(
            f"there are no trust anchors: {anchors} does not exist",
            hint="put the root certificates of the exchange certificates there, in PEM form",
        )
    sources = revocation_sources.read(folder)
    answers = Answers(AnswerFiles(folder), asks=bool(sources))
    between = sorted((folder / "chain").glob("*.pem"))
    trust = Trust.from_files(anchors, between, answers=answers, now=clock.now)
    return Judging(trust=trust, authorities=Authorities(sources, trust.chains, answers))


async def asking(
    desk: InDesk, judges: Judging, answers: RevocationAnswers, directory: SqlDirectory
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
