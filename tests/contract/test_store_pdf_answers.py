"""Answers about the certificates of PDF signatures in the database: which ones count, which are marked as used, and which
are kept for ever. On both engines."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.store.store import SqlStore
from tests.support.clock import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LISTED = Question(source=RevocationSource.LIST, issuer="aa", about="http://crl.example.invalid/a.crl")
QUESTION = Question(source=RevocationSource.OCSP, issuer="aa", about="1f")
OTHER = Question(source=RevocationSource.OCSP, issuer="aa", about="2f")


def answer(
    body: bytes, made_at: datetime = START, question: Question = QUESTION, *, revokes: bool = False
) -> Answer:
    return Answer(
        question=question,
        body=body,
        origin="http://ocsp.example.invalid/",
        fetched_at=made_at,
        made_at=made_at,
        ends_at=made_at + DAY,
        revokes=revokes,
    )


async def bodies(store: SqlStore, question: Question = QUESTION) -> list[bytes]:
    return [a.body for a in await store.pdf_answers.list_about(question)]


async def test_the_newest_answers_and_lists_are_given_and_an_older_one_is_refused(store: SqlStore) -> None:
    answers = store.pdf_answers
    assert await answers.keep(answer(b"first"))
    assert await answers.keep(answer(b"first"))
    assert await answers.keep(answer(b"second", START + HOUR))
    assert await answers.keep(answer(b"list", START, LISTED))
    assert await answers.keep(answer(b"other", START + HOUR, OTHER))

    assert not await answers.keep(answer(b"replayed", START + HOUR / 2))

    assert await bodies(store) == [b"second", b"list"]
    assert await bodies(store, OTHER) == [b"other", b"list"]
    stored = (await answers.list_about(QUESTION))[0]
    assert stored == answer(b"second", START + HOUR)


async def test_an_answer_that_revokes_is_given_after_a_newer_one_too(store: SqlStore) -> None:
    await store.pdf_answers.keep(answer(b"revoked", revokes=True))
    await store.pdf_answers.keep(answer(b"good", START + HOUR))

    assert await bodies(store) == [b"revoked", b"good"]


async def test_answers_in_use_are_kept_and_those_that_are_not_stored_are_named(store: SqlStore) -> None:
    answers = store.pdf_answers
    first, second, file = answer(b"first"), answer(b"second", START + HOUR), answer(b"file", START, LISTED)
    await answers.keep(first)
    await answers.keep(second)

    assert list(await answers.use([first.digest, file.digest])) == [file.digest]
    await answers.keep_used([file])
    assert list(await answers.use([first.digest, file.digest])) == []

    third = answer(b"third", START + 2 * HOUR)
    await answers.keep(third)
    assert await answers.prune(START + DAY) == 1
    stored_answers = await answers.read([a.digest for a in (first, second, third, file)])
    assert {a.body for a in stored_answers} == {b"first", b"third", b"file"}
