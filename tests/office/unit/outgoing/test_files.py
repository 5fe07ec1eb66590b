"""A corrected draft has the files of the document that was refused."""

from __future__ import annotations

import pytest

from gateway.domain.document import OutState
from gateway.errors import Clash
from gateway_office.letters import follow_up
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown
from tests.unit.outgoing.test_files import BOTH


async def test_a_refused_document_begins_anew_as_a_draft_to_those_who_refused_it(town: OfficeTown) -> None:
    sent = await town.send("15", PROVINCE, COMMUNE, files=BOTH)
    await town.carry()
    scope = await town.scope(DEPARTMENT)
    with pytest.raises(Clash, match="no recipient has refused"):
        await follow_up.begin_correction(town.node.out, scope, sent.id)
    await town.status(await town.as_incoming(sent, COMMUNE), "02")
    await town.carry()

    draft = await follow_up.begin_correction(town.node.out, scope, sent.id)

    assert (draft.state, [x.code for x in draft.draft.recipients]) == (OutState.DRAFT, [COMMUNE])
    assert [x.sha256 for x in draft.files] == [x.sha256 for x in sent.files]
