"""What a stranger hears of a document's bytes follows the document's way, and takes the same statements for all bytes."""

from __future__ import annotations

import hashlib

from gateway.domain.document import OutgoingDocument
from gateway.domain.identity import Digest, known_digest
from gateway.incoming import seal as incoming_seal
from gateway.outgoing import files
from gateway_office.policy.issued import UNKNOWN as NOTHING
from gateway_office.policy.issued import IssuedAnswer, IssuedWord, judge
from gateway_office.store.issued import load_issued
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown
from tests.support.node import PDF
from tests.support.statements import noted_statements

ISSUED, REPLACED, RECALLED, UNKNOWN = IssuedWord


def pdf(n: int) -> bytes:
    return PDF + f"%{n}\n".encode()


def digest(n: int) -> Digest:
    return known_digest(hashlib.sha256(pdf(n)).hexdigest())


async def answer_to(town: OfficeTown, n: int) -> IssuedAnswer:
    return judge(await load_issued(town.node.store, digest(n)))


async def sent(town: OfficeTown, n: int) -> OutgoingDocument:
    document = await town.send(str(n), files=((f"{n}.pdf", pdf(n)),))
    await town.carry()
    return await town.document(document)


async def test_an_answer_follows_the_document(town: OfficeTown) -> None:
    await town.send("15", files=(("15.pdf", pdf(15)),), send=False)
    assert (await answer_to(town, 15)).word is UNKNOWN
    await town.send("16", files=(("16.pdf", pdf(16)),))
    assert (await answer_to(town, 16)).word is UNKNOWN, "it waits for the axis"
    await town.carry()
    assert (await answer_to(town, 16)).word is ISSUED

    changed = await sent(town, 17)
    assert changed.envelope_digest is not None
    packet = await load_issued(town.node.store, changed.envelope_digest)
    assert judge(packet) == await answer_to(town, 17)
    await town.update(changed, files=(("17.pdf", pdf(18)),))
    await town.carry()
    assert [(await answer_to(town, n)).word for n in (17, 18)] == [ISSUED, ISSUED]
    await town.status(await town.as_incoming(changed, PROVINCE), "15")
    await town.carry()
    await town.recall(changed)
    await town.carry()
    assert [(await answer_to(town, n)).word for n in (17, 18)] == [RECALLED, RECALLED]

    await town.replacement(await sent(town, 19), "20")
    assert (await answer_to(town, 19)).word is ISSUED, "the replacement waits for the axis"
    await town.carry()
    answer = await answer_to(town, 19)
    assert (answer.word, answer.replaced_by.partition("/")[0]) == (REPLACED, "20")


async def test_a_secret_document_is_answered_as_one_that_was_never_here(town: OfficeTown) -> None:
    ours, theirs, plain = await sent(town, 21), await sent(town, 22), await sent(town, 23)
    arrived = await town.as_incoming(theirs, PROVINCE)
    assert [(await answer_to(town, n)).word for n in (21, 22, 23)] == [ISSUED] * 3
    services = town.node
    await files.seal_document(
        services.out, services.hold, await town.scope(DEPARTMENT), ours.id, "Có dấu Mật"
    )
    scope = await town.scope(PROVINCE)
    await incoming_seal.document(services.inn, services.hold, scope, arrived.id, "Có dấu Mật")

    counts = set()
    for n, packet in ((21, ours), (22, theirs), (23, plain), (99, None)):
        for bytes_digest in (digest(n), packet.envelope_digest if packet else digest(98)):
            assert bytes_digest is not None
            with noted_statements() as statements:
                answer = judge(await load_issued(services.store, bytes_digest))
            assert answer.word is ISSUED if n == 23 else answer == NOTHING, n
            counts.add(len(statements))
    assert len(counts) == 1
