"""Answers of authorities in the database, about certificates of senders and of PDF signatures: which ones count, which
process asks, and which are kept for ever. On both engines."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from gateway.domain.certificates import Answer, PendingRevocation, Question, RevocationSource
from gateway.store.store import SqlStore
from tests.support.clock import START, ManualClock
from tests.support.stores import NORTH, SOUTH, committing, inbox_item

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LISTED = Question(source=RevocationSource.LIST, issuer="aa", about="http://crl.example.invalid/a.crl")
QUESTION = Question(source=RevocationSource.OCSP, issuer="aa", about="1f")
OTHER = Question(source=RevocationSource.OCSP, issuer="bb", about="1f")
SAME_ISSUER = Question(source=RevocationSource.OCSP, issuer="aa", about="2f")


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


async def bodies(store: SqlStore) -> list[bytes]:
    return sorted(a.body for a in await store.revocation.current({}))


async def test_new_questions_are_due_at_once_and_unwanted_ones_are_forgotten(
    store: SqlStore, clock: ManualClock
) -> None:
    await store.revocation.plan([LISTED, QUESTION], START)
    await store.revocation.plan([QUESTION, OTHER], START + HOUR)

    by_question = {a.question: a for a in await store.revocation.questions()}

    assert set(by_question) == {QUESTION, OTHER}
    assert by_question[QUESTION].first_at == by_question[QUESTION].due_at == START
    assert by_question[OTHER].first_at == START + HOUR


async def test_a_question_is_given_to_one_asker_at_a_time(store: SqlStore) -> None:
    await store.revocation.plan([LISTED, QUESTION, OTHER], START)

    both = await asyncio.gather(*(store.revocation.claim(START, 10, HOUR) for _ in range(2)))

    claimed = [a.question for some in both for a in some]
    assert sorted(claimed, key=str) == sorted([LISTED, QUESTION, OTHER], key=str)
    assert await store.revocation.claim(START + HOUR / 2, 10, HOUR) == []
    assert len(await store.revocation.claim(START + HOUR, 10, HOUR)) == 3


async def test_a_question_put_off_while_the_clock_was_ahead_is_asked_once_the_clock_is_right(
    store: SqlStore,
) -> None:
    await store.revocation.plan([QUESTION], START)
    await store.revocation.record_failure(QUESTION, START + 400 * DAY, "nobody there")

    assert [a.question for a in await store.revocation.claim(START, 10, HOUR)] == [QUESTION]
    assert await store.revocation.claim(START, 10, HOUR) == []


async def test_an_answer_ends_the_question_until_its_next_due_time(store: SqlStore) -> None:
    await store.revocation.plan([QUESTION], START)
    await store.revocation.record_failure(QUESTION, START + HOUR, "nobody there")
    (question_before,) = await store.revocation.questions()

    assert await store.revocation.keep(answer(b"good"), START + 2 * HOUR)

    (question_after,) = await store.revocation.questions()
    assert (question_before.failures, question_before.error, question_before.due_at) == (
        1,
        "nobody there",
        START + HOUR,
    )
    assert (question_after.failures, question_after.error, question_after.due_at) == (
        0,
        None,
        START + 2 * HOUR,
    )
    assert question_after.answered_at == START


async def test_threat_045_an_older_answer_is_never_kept_over_a_newer_one(store: SqlStore) -> None:
    assert await store.revocation.keep(answer(b"revoked", START + HOUR, revokes=True), START)

    assert not await store.revocation.keep(answer(b"old and good", START), START)

    assert await bodies(store) == [b"revoked"]


async def test_threat_045_an_answer_that_revokes_counts_beside_every_newer_one(store: SqlStore) -> None:
    for n, revokes in enumerate((False, True, False, False)):
        await store.revocation.keep(answer(b"%d" % n, START + n * HOUR, revokes=revokes), START)

    assert await bodies(store) == [b"1", b"3"]


async def test_the_same_bytes_again_are_the_same_row(store: SqlStore) -> None:
    for _ in range(2):
        assert await store.revocation.keep(answer(b"same"), START)

    assert len(await store.revocation.current({})) == 1


async def test_questions_do_not_share_their_answers(store: SqlStore) -> None:
    await store.revocation.keep(answer(b"of aa"), START)
    await store.revocation.keep(answer(b"of bb", START - DAY, OTHER), START)
    await store.revocation.keep(answer(b"list", START - DAY, LISTED), START)

    assert await bodies(store) == [b"list", b"of aa", b"of bb"]


async def test_the_version_changes_with_every_answer_and_every_question(store: SqlStore) -> None:
    versions = {await store.revocation.version()}
    await store.revocation.plan([QUESTION], START)
    versions.add(await store.revocation.version())
    await store.revocation.keep(answer(b"good"), START)
    versions.add(await store.revocation.version())
    await store.revocation.plan([QUESTION, OTHER], START)
    versions.add(await store.revocation.version())

    assert len(versions) == 4
    assert await store.revocation.version() in versions


async def test_a_known_answer_is_not_read_a_second_time(store: SqlStore) -> None:
    first = answer(b"good")
    await store.revocation.keep(first, START)
    cache = {first.digest: first}

    (newest_answer,) = await store.revocation.current(cache)

    assert newest_answer is first


async def test_only_what_is_old_replaced_and_unused_is_pruned(store: SqlStore) -> None:
    used, unused, newest = (answer(b"%d" % n, START + n * HOUR) for n in range(3))
    for a in (used, unused, newest):
        await store.revocation.keep(a, START)
    await store.revocation.use([used.digest, "no such digest"])

    early = await store.revocation.prune(START)
    late = await store.revocation.prune(START + DAY)

    assert (early, late) == (0, 1)
    stored = await store.revocation.read([used.digest, unused.digest, newest.digest])
    assert sorted(a.body for a in stored) == [b"0", b"2"]


async def test_hurrying_makes_every_question_due(store: SqlStore) -> None:
    await store.revocation.plan([QUESTION, OTHER], START)
    await store.revocation.claim(START, 10, DAY)

    assert await store.revocation.hurry(START + HOUR) == 2
    assert len(await store.revocation.claim(START + HOUR, 10, DAY)) == 2


async def bodies_for_pdf(store: SqlStore, question: Question = QUESTION) -> list[bytes]:
    return [a.body for a in await store.pdf_answers.list_about(question)]


async def test_of_a_pdf_the_newest_answers_and_lists_are_given_and_an_older_one_is_refused(
    store: SqlStore,
) -> None:
    answers = store.pdf_answers
    assert await answers.keep(answer(b"first"))
    assert await answers.keep(answer(b"first"))
    assert await answers.keep(answer(b"second", START + HOUR))
    assert await answers.keep(answer(b"list", START, LISTED))
    assert await answers.keep(answer(b"other", START + HOUR, SAME_ISSUER))

    assert not await answers.keep(answer(b"replayed", START + HOUR / 2))

    assert await bodies_for_pdf(store) == [b"second", b"list"]
    assert await bodies_for_pdf(store, SAME_ISSUER) == [b"other", b"list"]
    stored = (await answers.list_about(QUESTION))[0]
    assert stored == answer(b"second", START + HOUR)


async def test_of_a_pdf_an_answer_that_revokes_is_given_after_a_newer_one_too(store: SqlStore) -> None:
    await store.pdf_answers.keep(answer(b"revoked", revokes=True))
    await store.pdf_answers.keep(answer(b"good", START + HOUR))

    assert await bodies_for_pdf(store) == [b"revoked", b"good"]


async def test_of_a_pdf_answers_in_use_are_kept_and_those_that_are_not_stored_are_named(
    store: SqlStore,
) -> None:
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


async def test_a_packet_waits_for_its_agency_until_it_is_settled(store: SqlStore, clock: ManualClock) -> None:
    mine, theirs = inbox_item(clock), inbox_item(clock, scope=SOUTH)
    for scope, item in ((NORTH, mine), (SOUTH, theirs)):
        async with committing(store, scope) as work:
            await work.inbox.land(item)
            for _ in range(2):  # the same again is harmless
                await work.pending.add(pending(item.agency_id, item.id))
    (first, second) = await store.pending_revocations(("", ""), 10)
    async with committing(store) as work:
        await work.pending.remove(mine.id)
        await work.pending.remove(theirs.id)  # another agency's: not ours to end

    assert (first, second) == (pending(NORTH.agency_id, mine.id), pending(SOUTH.agency_id, theirs.id))
    assert await store.pending_revocations((first.agency_id, first.inbox_id), 10) == [second]
    assert await store.pending_revocations(("", ""), 10) == [second]


def pending(agency_id: str, inbox_id: str) -> PendingRevocation:
    return PendingRevocation(
        agency_id=agency_id, inbox_id=inbox_id, certificate_der=b"certificate", arrived_at=START
    )
