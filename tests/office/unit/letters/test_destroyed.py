"""Words and pictures of a destroyed document are gone from the node, and no later reading brings them back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway_office.domain.work_file import FileKind
from gateway_office.letters import comments, work_files
from gateway_office.letters.previews import SWEPT_EVERY
from gateway_office.letters.work_files import FileDraft
from tests.office.support.node import PROVINCE, OfficeTown
from tests.office.unit.letters.test_indexing import WORDS, arrived, pdf, search, work_through
from tests.support.destruction import confirmed, worked_off


async def test_no_word_and_no_picture_of_a_destroyed_letter_stays(town: OfficeTown) -> None:
    """R102 (destruction by decision)."""
    node, looking = town.node, town.node.looking
    letter = await arrived(town, ("van-ban.pdf", pdf("Trang đầu", WORDS)))
    for code in ("03", "04", "05", "06"):
        await town.status(letter, code)
    await work_through(node.indexer, town)
    assert await search(town, letter, "lụt bão") == [(1, 2)]
    town.clock.advance(timedelta(days=900))
    await looking.step()
    scope = AgencyScope(agency_id=letter.agency_id, principal_id="prn_clerk")
    (file,) = looking.files(await town.reload(letter))
    assert (await looking.look(scope, file, 1)).fault is None
    pictures = looking.pictures.documents()

    assert letter.type_name is not None
    assert (await town.agency(PROVINCE)).id == letter.agency_id
    await confirmed(node.store, town.clock, scope, letter.type_name)
    await worked_off(node.store, town.clock, node.pool, node.blobs, node.settings.node.data_dir)

    assert await search(town, letter, "lụt bão") == []
    services, year = node.todo, local(town.clock.now()).year
    draft = FileDraft(notation="01-TH", title="Hồ sơ", kind=FileKind.USUAL)
    record_file = await work_files.open_file(services, scope, year, draft, everybodys=True)
    for act in (
        work_files.put_in(services, scope, letter.id, record_file.code),
        comments.add_comment(node.inn, scope, letter.id, "Xem lại"),
    ):
        with pytest.raises(Clash) as refusal:
            await act
        assert refusal.value.code == "GW-DESTROYED"
    town.clock.advance(SWEPT_EVERY.total_seconds())
    await looking.step()
    assert pictures == {letter.agency_id: [letter.id]}
    assert looking.pictures.documents() == {letter.agency_id: []}
    await node.store.content_queue.restart_fill("again")
    await work_through(node.indexer, town)
    assert await search(town, letter, "lụt bão") == []
