"""Each call of the national axis's library is made well and in every wrong way at the compatibility door. Bytes on disk
judge, as the library stores any body of a download and calls it a success; the same object must work on after a refusal,
since its parameters stick."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway_foreign.compat.application import OPERATIONS
from tests.foreign.interop.vxp_client import SdkClient
from tests.interop import edxml_files
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE
from tests.support.cases import Cases
from tests.support.town.doors import SYSTEM, VxpDoor, open_vxp_door

SENDER = "qlvb.mau.02"
LARGE = 50 * 1024 * 1024
FETCHES = ("getEdoc", "downloadEdoc", "downloadEdoc2")
REFUSED_ALWAYS = {"registerAgency", "deleteAgency", "downloadEdoc2"}
LIST = {"servicetype": "eDoc", "messagetype": "edoc"}
PARAMETERS: dict[str, dict[str, str]] = {name: {} for name in [*OPERATIONS, "downloadEdoc2"]} | {
    "getAgenciesListQD20": {"level": "1"},
    "deleteAgency": {"AgencyCode": COMMUNE},
    "sendEdoc": LIST | {"from": DEPARTMENT, "to": json.dumps([PROVINCE]), "hash-file": ""},
    "getReceivedEdocList": LIST,
    **{name: {"docId": "", "filePath": "/home/clerk"} for name in FETCHES},
    "updateStatus": {"docId": "", "status": "processing", "description": "loi mo tep"},
    "getSentEdocList": LIST | {"docId": ""},
}


def wrong_cases(operation: str) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Yield the name, the parameters and the body of each wrong call; a wrong secret is of every call."""
    yield "wrong secret", {}, b"{}"
    yield "50 MB", {}, b"x" * LARGE
    for name in PARAMETERS[operation]:
        yield f"letters in {name}", {name: "lỗi đọc"}, b"{}"
    if "docId" in PARAMETERS[operation] and operation != "getSentEdocList":
        yield "unknown id", {"docId": "in_nobodys"}, b"{}"


def sent_file(number: str) -> bytes:
    return edxml_files.document(DEPARTMENT, [PROVINCE], [("a.pdf", PDF)], number=number)


@pytest.mark.parametrize("operation", sorted(PARAMETERS))
async def test_every_call_in_every_way(
    operation: str, blank_node: Path, tmp_path: Path, cases: Cases
) -> None:
    async with open_vxp_door(blank_node, tmp_path / "node") as door:
        await door.system(SYSTEM, (DEPARTMENT,))
        await door.system(SENDER, (PROVINCE,))
        file = edxml_files.document(PROVINCE, [DEPARTMENT], [("cong-van.pdf", PDF)])
        assert (await door.send(file, PROVINCE, name=SENDER))["status"] == "OK"
        await door.api.carry()
        ((doc_id,),) = [[row["docId"]] for row in await door.listed()]
        received = await door.with_client(lambda client: client.call("downloadEdoc", {"docId": doc_id}))
        for number, (name, more, body) in enumerate(wrong_cases(operation)):
            with cases.case(name):
                act = partial(refuse_then_call, operation, name, more, body, str(number), doc_id, received[1])
                folder = tmp_path / str(number)
                folder.mkdir()
                await asyncio.to_thread(act, door, folder)


def refuse_then_call(
    operation: str,
    name: str,
    more: dict[str, str],
    body: bytes,
    number: str,
    doc_id: str,
    received: bytes,
    door: VxpDoor,
    folder: Path,
) -> None:
    """Make the wrong call, then the good one with the same object; only a good fetch leaves a file."""
    well = PARAMETERS[operation] | ({"docId": doc_id} if "docId" in PARAMETERS[operation] else {})
    client = door.client(SYSTEM, "another" if name == "wrong secret" else None)
    client.damages_letters = True
    try:
        is_refused = name != "50 MB" or operation == "sendEdoc"
        call(client, operation, well | more, body, folder, is_refused=is_refused)
        stored = list(folder.iterdir())
        assert (operation in FETCHES and not is_refused) or not stored, [f.read_bytes()[:300] for f in stored]
        if name == "wrong secret":
            client.close()
            client = door.client(SYSTEM)
        if operation == "sendEdoc":
            file = sent_file(f"30{number}")
            assert client.send(file, DEPARTMENT, to=[PROVINCE])["status"] == "OK"
            return
        call(client, operation, well, b"{}", folder, is_refused=False)
        files = [file.read_bytes() for file in folder.iterdir()]
        assert files == ([received] if operation in ("getEdoc", "downloadEdoc") else [])
    finally:
        client.close()


def call(
    client: SdkClient,
    operation: str,
    parameters: dict[str, str],
    body: bytes,
    folder: Path,
    *,
    is_refused: bool,
) -> None:
    if operation in FETCHES:
        client.fetch(operation, parameters, folder, body=body)
        return
    answer: dict[str, Any] = client.ask(operation, parameters, body=body)
    expected = "FAIL" if is_refused or operation in REFUSED_ALWAYS else "OK"
    assert answer["status"] == expected, answer
    assert answer["ErrorDesc"] or expected == "OK"
