"""A document system lists its arrivals: each list takes as many queries for many documents as for one."""

from __future__ import annotations

from gateway_foreign.compat import hand_over
from gateway_foreign.compat.hand_over import Reader
from tests.support.node import DEPARTMENT, PROVINCE, Town
from tests.support.statements import noted_statements


async def test_statuses_of_many_documents_are_listed_with_as_many_queries_as_of_one(town: Town) -> None:
    reader = Reader(system="qlvb", scope=await town.scope(DEPARTMENT))
    for number in ("15", "16", "17"):
        await town.send(number)
    await town.carry()
    await town.number()

    with noted_statements() as statements:
        lines = await hand_over.statuses(town.node.inn, reader, 10)

    assert [line.sender for line in lines] == [PROVINCE] * 3
    assert statements.reads("event") == 2, "the new events, and those of the list"
    assert statements.reads("outgoing_document") == 1
