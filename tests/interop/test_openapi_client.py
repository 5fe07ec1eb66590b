"""A program that knows nothing but the description can work with a node: openapi-python-client makes a client of it, and
that client sends, follows, takes, downloads and answers. The maker needs other versions than the node does, so it has an
environment of its own, made once from a lock file of its own (var/clients)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.cli.doors import application
from gateway.demo import stage
from gateway.domain.account import ApiScope, PrincipalKind
from gateway.office.bootstrap.office import Office, open_office
from gateway.ops.metrics import Watch
from tests.support.api import DEPARTMENT, PDF, PROVINCE

HERE = Path(__file__).parent / "client"
ROOT = Path(__file__).parents[2]
INSTALL_S, RUN_S = 300, 180

pytestmark = pytest.mark.long


async def run(*words: str | Path, within_s: float) -> str:
    """What a program said; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(within_s):
        told, _ = await process.communicate()
    text = told.decode(errors="replace")
    assert process.returncode == 0, text[-6000:]
    return text


async def maker() -> Path:
    """The python of the maker's own environment, made anew when its lock file changes."""
    lock = HERE / "requirements.lock"
    folder = ROOT / "var" / "clients" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python, whole = folder / "bin" / "python", folder / "whole"
    if not whole.exists():
        await run(sys.executable, "-m", "venv", "--clear", folder, within_s=INSTALL_S)
        words = ("--only-binary", ":all:", "--require-hashes", "-r", lock)
        await run(python, "-m", "pip", "install", "-q", *words, within_s=INSTALL_S)
        whole.touch()
    return python


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[tuple[Office, str]]:
    """A running node with its workers, and its address."""
    settings = stage.settings_for(tmp_path / "node")
    await stage.prepare(settings)
    async with open_office(settings) as node:
        await stage.register(node)
        stop = asyncio.Event()
        async with (
            TestClient(TestServer(application(node, Watch(node=node)))) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(node.run_workers(stop))
            yield node, str(client.make_url("")).rstrip("/")
            stop.set()


async def key(node: Office, code: str) -> str:
    agency = await node.store.accounts.hosted_by_code(code)
    assert agency is not None
    secret = f"gwk_{code}"
    await node.store.accounts.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        principal=await node.store.accounts.principal_for(PrincipalKind.PROGRAM, code, agency.id),
        agency_ids=[agency.id],
        scopes=list(ApiScope),
    )
    return secret


@pytest.mark.timeout(600)
async def test_a_client_made_of_the_description_sends_follows_takes_downloads_and_answers(
    node: tuple[Office, str], tmp_path: Path
) -> None:
    opened, address = node
    python = await maker()
    pdf, description = tmp_path / "1523.pdf", tmp_path / "description.json"
    pdf.write_bytes(PDF)
    fetch = "import sys, urllib.request as u; open(sys.argv[2], 'wb').write(u.urlopen(sys.argv[1]).read())"
    await run(python, "-c", fetch, f"{address}/api/v1/openapi.json", description, within_s=RUN_S)

    config = HERE / "openapi-python-client.yaml"
    options = ("--meta", "none", "--fail-on-warning", "--config", config)
    made = tmp_path / "node_client"
    words = ("generate", "--path", description, "--output-path", made, *options)
    await run(python, "-m", "openapi_python_client", *words, within_s=RUN_S)
    # Beside the client, so that it finds it.
    script = tmp_path / "exchange.py"
    script.write_bytes((HERE / "exchange.py").read_bytes())
    keys = (await key(opened, DEPARTMENT), await key(opened, PROVINCE))
    told = json.loads(
        (await run(python, script, address, *keys, pdf, tmp_path, within_s=RUN_S)).splitlines()[-1]
    )

    assert told["replayed"] is True
    assert told["taken"] == "1523"
    assert told["status_version"].startswith('"')
    assert "accepted" in told["seen"]
    assert (tmp_path / "file").read_bytes() == PDF
    assert b"<edXML" in (tmp_path / "envelope").read_bytes()
    assert zipfile.ZipFile(io.BytesIO((tmp_path / "proof").read_bytes())).testzip() is None
