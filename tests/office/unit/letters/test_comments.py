"""Comments on a letter: who writes has read, others learn of it, and a purge takes them along."""

from __future__ import annotations

import pytest

from gateway.domain.account import AgencyScope
from gateway.errors import Clash
from gateway_office.letters import comments
from gateway_office.notifications import of_comments
from tests.office.support.node import PROVINCE, OfficeTown


async def test_a_comment_is_unread_by_the_others_who_saw_the_letter_until_they_look(town: OfficeTown) -> None:
    await town.send("15")
    await town.carry()
    document, scope = await town.only(), await town.scope(PROVINCE)
    services = town.node.inn
    clerk, head = (
        AgencyScope(agency_id=scope.agency_id, principal_id=id) for id in ("prn_clerk", "prn_head")
    )

    assert not (await comments.look(services, head, document.id)).has_unread
    town.clock.advance(60)
    comment = await comments.add_comment(services, clerk, document.id, "  Cần họp \n trước thứ Sáu ")
    assert comment.text == "Cần họp trước thứ Sáu"
    async with town.node.store.read(scope) as work:
        unread = await work.comments.unread_by("prn_head", 9)
    assert [ring.subject_id for ring in of_comments([(c, document) for c in unread])] == [document.id]

    assert not (await comments.look(services, clerk, document.id)).has_unread
    first = await comments.look(services, head, document.id)
    second = await comments.look(services, head, document.id)
    assert (first.has_unread, second.has_unread) == (True, False)
    assert [reader.person_id for reader in second.readers] == ["prn_head", "prn_clerk"]
    assert comment.text not in repr(await town.events(PROVINCE, document.id))


async def test_a_comment_has_words_and_no_more_than_fit(town: OfficeTown) -> None:
    await town.send("15")
    await town.carry()
    document, scope = await town.only(), await town.scope(PROVINCE)
    for text in ("  ", "x" * (comments.LONGEST + 1)):
        with pytest.raises(Clash, match="1 to 1000"):
            await comments.add_comment(town.node.inn, scope, document.id, text)
