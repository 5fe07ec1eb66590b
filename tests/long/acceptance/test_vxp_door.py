"""The compatibility door is opened by a setting and a command, and called by a client written from the specification
alone; a large document goes through it both ways in bounded memory, and a kill loses and doubles nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import random
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.interop.vxp_client import SdkClient
from tests.interop import edxml_files
from tests.long.acceptance.test_drain import ROOT, Served
from tests.services.process import kept_ports
from tests.support import api
from tests.support.api import DEPARTMENT, PDF, PROVINCE
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(400)]
MB = 1024 * 1024
LARGE = {"FILE_MB": "80", "DOCUMENT_MB": "100", "ENVELOPE_MB": "160"}


def settings(folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return clean | {
        "PYTHONPATH": str(ROOT),
        "GATEWAY_NODE_NAME": "demo",
        "GATEWAY_NODE_DATA_DIR": str(folder),
        "GATEWAY_COMPAT_VXP": "true",
        "GATEWAY_WORKERS_POLL_S": "0.2",
        **{f"GATEWAY_LIMITS_{name}": value for name, value in LARGE.items()},
    }


async def invoke(folder: Path, *words: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--output", "json", *words),
        env=settings(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    with kept_ports(2) as (port, watched):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env=settings(folder) | {"GATEWAY_API_PORT": str(port), "GATEWAY_METRICS_PORT": str(watched)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        served = Served(process, port, watched)
        try:
            await wait_until(served.answers, "the node answers")
            yield served
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    return await api.stage_in(tmp_path / "node")


async def call(served: Served, system: str, secret: str, act: Callable[[SdkClient], Any]) -> Any:
    def run() -> Any:
        client = SdkClient(served.url, system, secret)
        try:
            return act(client)
        finally:
            client.close()

    return await asyncio.to_thread(run)


def letter(number: str, pdf: bytes) -> bytes:
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    files = [("van-ban.pdf", pdf)]
    return edxml_files.document(DEPARTMENT, [PROVINCE], files, number=number, day=day, packed=False)


def large_pdf(size: int) -> bytes:
    """Build a PDF of one page behind comments that cannot be compressed."""
    line = 57 * 1024
    remarks = (
        b"%" + base64.b64encode(random.Random(n).randbytes(line)) + b"\n"
        for n in range(size * 3 // 4 // line)
    )
    content = b"%PDF-1.4\n" + b"".join(remarks)
    places = []
    for n, words in enumerate(
        (
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        ),
        1,
    ):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (n, words)
    table = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return content + table + b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(content)


def memory(pid: int, name: str) -> int:
    size = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert size is not None
    return int(size[1]) * 1024


async def come(
    served: Served, system: str, secret: str, count: int, kind: str = "edoc"
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []

    async def enough() -> bool:
        nonlocal lines
        lines = await call(served, system, secret, lambda client: client.listed(kind))
        return len(lines) >= count

    await wait_until(enough, f"{count} packets of {kind}")
    return lines


async def test_sixty_megabytes_go_both_ways_in_bounded_memory(folder: Path) -> None:
    out = (await invoke(folder, "compat", "add", "qlvb.so", "--agency", DEPARTMENT, "--yes"))["secret"]
    inn = (await invoke(folder, "compat", "add", "qlvb.tinh", "--agency", PROVINCE, "--yes"))["secret"]
    pdf = large_pdf(60 * MB)
    file = letter("9000", pdf)
    async with serving(folder) as served:
        await call(served, "qlvb.so", out, lambda client: client.send(letter("8000", PDF), DEPARTMENT))
        (first,) = await come(served, "qlvb.tinh", inn, 1)
        await call(served, "qlvb.tinh", inn, lambda client: client.ask("getEdoc", {"docId": first["docId"]}))
        pid = served.process.pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts again from what is held now
        idle = memory(pid, "VmRSS")

        sent = await call(served, "qlvb.so", out, lambda client: client.send(file, DEPARTMENT))
        assert sent["status"] == "OK", sent
        lines = await come(served, "qlvb.tinh", inn, 2)
        large = next(x["docId"] for x in lines if x["docId"] != first["docId"])
        answer = await call(served, "qlvb.tinh", inn, lambda client: client.ask("getEdoc", {"docId": large}))
        peak = memory(pid, "VmHWM") - idle

    envelope = base64.b64decode(answer["data"], validate=True)
    assert pdf_in(envelope) == hashlib.sha256(pdf).hexdigest()
    print(f"peak above idle: {peak // MB} MB")
    assert peak < 64 * MB


def pdf_in(file: bytes) -> str:
    (content,) = re.findall(rb"<(?:edXML:)?ContentTransferEncoded[^>]*>([^<]*)<", file)
    raw = base64.b64decode(content)
    if raw[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            (name,) = archive.namelist()
            raw = archive.read(name)
    return hashlib.sha256(raw).hexdigest()


async def test_what_was_answered_survives_a_kill(folder: Path) -> None:
    secret = (
        await invoke(folder, "compat", "add", "qlvb", "--agency", DEPARTMENT, "--also", PROVINCE, "--yes")
    )["secret"]
    file = letter("8000", PDF)
    async with serving(folder) as served:
        sent = await call(served, "qlvb", secret, lambda client: client.send(file, DEPARTMENT))
        (line,) = await come(served, "qlvb", secret, 1)
        fetched = {"docId": line["docId"]}
        await call(served, "qlvb", secret, lambda client: client.ask("getEdoc", fetched))
        served.process.kill()
        await served.process.wait()
    async with serving(folder) as served:
        repeat = await call(served, "qlvb", secret, lambda client: client.send(file, DEPARTMENT))
        assert repeat["DocId"] == sent["DocId"]
        assert [x["docId"] for x in await come(served, "qlvb", secret, 1)] == [line["docId"]]
        closing = fetched | {"status": "done"}
        await call(served, "qlvb", secret, lambda client: client.ask("updateStatus", closing))
        served.process.kill()
        await served.process.wait()
    async with serving(folder) as served:
        assert await call(served, "qlvb", secret, lambda client: client.listed()) == []
        assert len(await come(served, "qlvb", secret, 1, "status")) == 1


async def test_a_system_is_not_called_as_a_key_whose_documents_it_would_share(folder: Path) -> None:
    await invoke(folder, "tokens", "new", "phan-mem", "--agency", DEPARTMENT, "--yes")
    with pytest.raises(AssertionError, match="4 == 0"):
        await invoke(folder, "compat", "add", "phan-mem", "--agency", DEPARTMENT, "--yes")


async def test_the_commands(folder: Path) -> None:
    added = await invoke(
        folder, "compat", "add", "qlvb", "--agency", DEPARTMENT, "--from", "127.0.0.0/8", "--yes"
    )
    rotated = await invoke(folder, "compat", "rotate", "qlvb", "--overlap", "0h", "--yes")
    listed = (await invoke(folder, "compat", "list"))["data"]
    assert [key["state"] for key in listed] == ["expired", "active"]
    assert listed[1]["networks"] == ["127.0.0.0/8"]
    assert added["secret"] not in json.dumps(listed)
    async with serving(folder) as served:
        for secret, code in ((added["secret"], "401"), (rotated["secret"], "0")):
            answer = await call(served, "qlvb", secret, lambda client: client.ask("getAgenciesList"))
            assert answer["ErrorCode"] == code
        long = ["Z91." + "x" * 40 + str(n) for n in range(150)]
        refused = await call(
            served,
            "qlvb",
            rotated["secret"],
            lambda client: client.send(letter("1", PDF), DEPARTMENT, to=long),
        )
        assert refused["ErrorCode"] == "422"  # headers as long as a long list of recipients are read
        await invoke(folder, "compat", "revoke", "qlvb", "--yes")
        ended = await call(served, "qlvb", rotated["secret"], lambda client: client.ask("getAgenciesList"))
        assert (ended["ErrorCode"], "GW-401-REVOKED" in ended["ErrorDesc"]) == ("401", True)
    assert (await invoke(folder, "compat", "stuck", "--agency", DEPARTMENT))["data"] == []
