"""A year turns, retention ends, and documents are destroyed by decision: gone are content, comments and copies in
backups; lines, figures and proofs stay, and an evidence pack says what can be proved. A restored copy destroys again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.comments import Comment
from gateway.domain.destruction import ActState, Destruction
from gateway.domain.document import IncomingDocument, Kind
from gateway.domain.evidence import Absent
from gateway.errors import Clash
from gateway.outgoing import files
from gateway.store.destruction import open_destructions
from gateway.workers.clocks import Clocks
from tests.support import destruction as act
from tests.support.evidence import check, exchanged, pack_of, sealed
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened
from tests.unit.ops.evidence.test_make import holds_content, open_story


async def confirmed(town: Town, code: str) -> tuple[AgencyScope, Destruction]:
    scope = await town.scope(code)
    return scope, await act.confirmed(town.node.store, town.clock, scope)


async def worked_off(town: Town) -> None:
    """Let the clocks come twice: the first time they see that there is work."""
    clocks = Clocks(town.node.settings.node.data_dir)
    for _ in range(2):
        while await clocks.step(town.node.inn):
            pass
        town.clock.advance(timedelta(minutes=11))


async def finished(town: Town, document: IncomingDocument) -> IncomingDocument:
    for code in ("04", "05", "06"):
        await town.act_and_carry(town.status(document, code))
    return await town.reload(document)


async def test_after_the_act_nothing_of_the_content_is_left_and_everything_is_still_proved(
    tmp_path: Path,
) -> None:
    """R102 (destruction by decision): on both sides of one node, which share the envelope's bytes."""
    async with opened(tmp_path / "node") as town:
        sent, arrived = await exchanged(town)
        arrived = await finished(town, arrived)
        update = await town.act_and_carry(town.update(sent))
        await town.act_and_carry(town.status(arrived, "15"))
        await finished(town, await town.reload(arrived))
        ours = await town.scope(PROVINCE)
        async with town.node.store.changing(ours) as work:
            comment = Comment(
                id="cmt_1", document_id=arrived.id, person_id="prn_1", at=town.clock.now(), text="Mới"
            )
            await work.comments.add(comment)
        original = await town.reload(arrived)
        town.clock.advance(timedelta(days=900))
        scope, begun = await confirmed(town, PROVINCE)
        await worked_off(town)

        async with town.node.store.read(scope) as work:
            assert (await open_destructions(work).get(begun.id)).state is ActState.DONE
            document = await work.incoming.get(arrived.id)
            assert await work.comments.of_document(arrived.id, 9) == []
        assert document.destroyed is not None
        assert replace(document, destroyed=None, marks=original.marks, version=original.version) == original
        for part in (arrived, await town.as_incoming(update)):
            with pytest.raises(Clash, match="12/QĐ-UBND") as refusal:
                await town.read(part)
            assert refusal.value.code == "GW-DESTROYED"
        # The sender's own document stays until its own act.
        theirs = await town.scope(DEPARTMENT)
        assert (await files.open_file(town.node.out, theirs, sent.id, 1)).size > 0
        await sealed(town, None)
        raw = await pack_of(town, PROVINCE, arrived.id)
        story = open_story(raw, tmp_path)
        absent = {packet.part: packet.absent for packet in story.packets if packet.part != "receipt"}
        assert set(absent.values()) == {Absent.PURGED}
        assert "document.destroyed" in {event.kind for event in story.events}
        assert not holds_content(raw)
        assert [line for line in check(raw, tmp_path, None).lines if line.ok is False] == []

        _, second = await confirmed(town, DEPARTMENT)
        await worked_off(town)
        assert second.counts["due"] == 1
        with pytest.raises(Clash, match="12/QĐ-UBND"):
            await files.open_file(town.node.out, theirs, sent.id, 1)
        async with town.node.store.read(theirs) as work:
            for digest in (sent.envelope_digest, document.envelope_digest, update.envelope_digest):
                assert digest is None or not await work.blobs.holds(digest)
        assert await town.ownerless() == 0


async def test_the_same_bytes_that_come_again_bring_no_content_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as town:
        _, arrived = await exchanged(town)
        await finished(town, arrived)
        (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
        town.clock.advance(timedelta(days=900))
        scope, _ = await confirmed(town, PROVINCE)
        await worked_off(town)

        await town.brought(packet)

        assert (await town.only()).destroyed is not None
        async with town.node.store.read(scope) as work:
            assert not await work.blobs.holds(arrived.envelope_digest)
