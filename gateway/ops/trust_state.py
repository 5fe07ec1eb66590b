"""How it stands with the authorities that this node trusts and asks: anchors, intermediates, and how old their answers
about revocation are. In: the trust folder and the store. Out: frozen values for `gateway trust show`, doctor and status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.domain.revocation import Asked, Question, Source
from gateway.store.revocation import Newest
from gateway.store.store import SqlStore
from gateway.trust import revocation_sources
from gateway.trust.answers import fingerprint, read_files
from gateway.trust.evidence import certificates_in

GOOD, FAILING, LATE = "good", "failing", "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One certificate of the trust folder."""

    role: str
    subject: str
    sha256: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """One revocation list: `made_at` None where it was never had; `error` why the last try failed."""

    issuer: str
    origin: str
    made_at: datetime | None
    ends_at: datetime | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerState:
    """What one authority answered: its lists, and about how many certificates by OCSP. `oldest` is the time of the oldest
    answer in use. `word`: good, failing (tries fail, answers still run), late (something has no answer that runs)."""

    issuer: str
    word: str
    lists: tuple[ListState, ...]
    certificates: int
    unanswered: int
    oldest: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """Everything that judges a certificate here."""

    held: tuple[Held, ...]
    asked: tuple[IssuerState, ...]
    files: tuple[ListState, ...]


async def look(folder: Path, store: SqlStore, now: datetime) -> TrustState:
    """Misconfigured where a file of the folder cannot be read."""
    return TrustState(held=tuple(_held(folder)), asked=await asked(folder, store, now), files=_files(folder))


async def asked(folder: Path, store: SqlStore, now: datetime) -> tuple[IssuerState, ...]:
    """One for each authority that is configured to be asked."""
    sources = revocation_sources.read(folder)
    if not sources:
        return ()
    questions = await store.revocation.asked()
    newest = {each.question: each for each in await store.revocation.newest()}
    return tuple(_issuer(each.issuer, questions, newest, now) for each in sources)


def _held(folder: Path) -> list[Held]:
    anchors = [("anchor", each) for each in certificates_in(folder / "ca.pem")]
    between = [
        ("intermediate", each)
        for path in sorted((folder / "chain").glob("*.pem"))
        for each in certificates_in(path)
    ]
    return [
        Held(
            role=role,
            subject=each.subject.rfc4514_string(),
            sha256=fingerprint(each),
            until=each.not_valid_after_utc,
        )
        for role, each in (*anchors, *between)
    ]


def _files(folder: Path) -> tuple[ListState, ...]:
    known = read_files(folder / "crl", folder / "ocsp")
    return tuple(
        ListState(
            issuer=each.listed.issuer.rfc4514_string(),
            origin="crl/",
            made_at=each.listed.last_update_utc,
            ends_at=each.listed.next_update_utc,
        )
        for each in known.lists
    )


def _issuer(
    issuer: x509.Certificate, questions: Sequence[Asked], newest: Mapping[Question, Newest], now: datetime
) -> IssuerState:
    named, subject = fingerprint(issuer), issuer.subject.rfc4514_string()
    own = [each for each in questions if each.question.issuer == named]
    runs = [each for each in own if _runs(newest.get(each.question), now)]
    failing = [each for each in own if each.failures]
    made = [newest[each.question].made_at for each in own if each.question in newest]
    lists = [each for each in own if each.question.source is Source.LIST]
    by_ocsp = [each for each in own if each.question.source is Source.OCSP]
    # Where a list runs, a responder that is silent leaves nobody unanswered: each answers for the other.
    listed = any(each in runs for each in lists)
    unanswered = 0 if listed else sum(each not in runs for each in by_ocsp)
    late = not own or (not listed and (unanswered > 0 or not by_ocsp))
    return IssuerState(
        issuer=subject,
        word=LATE if late else FAILING if failing else GOOD,
        lists=tuple(_list(subject, each, newest.get(each.question)) for each in lists),
        certificates=len(by_ocsp),
        unanswered=unanswered,
        oldest=min(made, default=None),
        error=failing[0].error if failing else None,
    )


def _runs(answer: Newest | None, now: datetime) -> bool:
    return answer is not None and (answer.ends_at is None or now <= answer.ends_at)


def _list(issuer: str, asked: Asked, answer: Newest | None) -> ListState:
    return ListState(
        issuer=issuer,
        origin=asked.question.about,
        made_at=answer.made_at if answer else None,
        ends_at=answer.ends_at if answer else None,
        error=asked.error,
    )
