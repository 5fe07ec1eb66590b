"""Reads the signatures of a PDF with the answers of authorities that it needs (R23, certificates). In: a file, whose first
reading says which certificates have no answer yet. Out: the facts by stored answers, and where these do not suffice
by new ones, which are stored first. It may wait for slow authorities, so only the loop that judges again comes here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from gateway import log
from gateway.domain.certificates import Answer, AuthorityAnswer, Question, RevocationSource
from gateway.domain.signatures import PdfFacts, Unanswered
from gateway.errors import GatewayError
from gateway.incoming.services import IncomingServices, PdfAsking

_log = logging.getLogger(__name__)
# Certificates asked about for one file; a signature has a signer and few authorities, a timestamp as many.
MOST_QUESTIONS = 40
# Bytes of answers that the reading process gets for one file.
MOST_BYTES = 12 * 1024 * 1024


async def read(services: IncomingServices, path: Path, seen_at: datetime) -> PdfFacts:
    """Return the facts about the file's signatures, after asking authorities where the node may."""
    facts = await services.signatures.read(path, seen_at, services.clock.now())
    asking = services.pdf_asking
    if asking is None:
        return facts
    answers: dict[str, Answer] = {}
    oldest = seen_at - asking.authorities.sources.refresh
    for gather in (partial(_stored, asking, oldest), partial(_fetched, services, asking)):
        links = facts.unanswered[:MOST_QUESTIONS]
        new = [a for a in await gather(links) if a.digest not in answers] if links else []
        if new:
            answers |= {answer.digest: answer for answer in new}
            bodies = _within_limit(answers.values())
            facts = await services.signatures.read(path, seen_at, services.clock.now(), bodies)
    return facts


async def _stored(asking: PdfAsking, oldest: datetime, links: Sequence[Unanswered]) -> Sequence[Answer]:
    """Return stored answers about these certificates; those fetched before the time `oldest` only where they revoke."""
    answers = [answer for link in links for answer in await asking.answers.list_about(_question(link))]
    return [answer for answer in answers if answer.revokes or answer.fetched_at >= oldest]


async def _fetched(
    services: IncomingServices, asking: PdfAsking, links: Sequence[Unanswered]
) -> Sequence[Answer]:
    """Ask about these certificates and store what is answered; a question without an answer is only logged."""
    outcomes = await asyncio.gather(*(_ask(services, asking, link) for link in links))
    return [answer for answer in outcomes if answer is not None]


async def _ask(services: IncomingServices, asking: PdfAsking, link: Unanswered) -> Answer | None:
    async with asking.turns:
        try:
            answer = await services.pool.run(partial(asking.authorities.ask, link, services.clock.now()))
        except GatewayError as error:
            log.action(_log, "signatures.no_answer", str(error), about=link.serial, code=error.code)
            return None
    if not await asking.answers.keep(answer):
        log.action(_log, "signatures.no_answer", "an older answer than the stored one", origin=answer.origin)
        return None
    return answer


def _question(link: Unanswered) -> Question:
    return Question(source=RevocationSource.OCSP, issuer=link.issuer_sha256, about=link.serial)


def _within_limit(answers: Iterable[Answer]) -> list[AuthorityAnswer]:
    """Return the answers without their questions, the small ones first, as many as the reading process gets."""
    bodies, size = [], 0
    for answer in sorted(answers, key=lambda a: len(a.body)):
        size += len(answer.body)
        if size > MOST_BYTES:
            break
        bodies.append(AuthorityAnswer(source=answer.question.source, body=answer.body))
    return bodies
