"""A program that knows nothing but the description can work with a node: openapi-python-client makes a client of it, and
that client sends, follows, takes, downloads and answers. The maker needs other versions than the node does, so it has an
environment of its own, made once from a lock file of its own (var/clients)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway_labs.sandbox import stage as stage_of_sandbox
from gateway_labs.sandbox.cast import cast
from tests.labs.support.sandbox import at_work
from tests.support.api import DEPARTMENT, PDF, PROVINCE
from tests.support.once import once
from tests.support.town.doors import Door, serving

CLIENT_FOLDER = Path(__file__).parent / "client"
ROOT = Path(__file__).parents[4]
INSTALL_S, RUN_S = 300, 180


async def run(*words: str | Path, within_s: float) -> str:
    """Run a program, which must end well; return its output."""
    process = await asyncio.create_subprocess_exec(
        *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(within_s):
        raw, _ = await process.communicate()
    text = raw.decode(errors="replace")
    assert process.returncode == 0, text[-6000:]
    return text


@pytest.fixture
def maker() -> Path:
    """Return the Python of the maker's own environment, which one of the parallel test processes makes anew when the
    lock file changes. It is no coroutine, so that waiting for another process holds up no node of this one."""
    lock = CLIENT_FOLDER / "requirements.lock"
    folder = ROOT / "var" / "clients" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python, installed = folder / "bin" / "python", folder / "whole"
    with once("client-maker") as (_, first):
        if first and not installed.exists():
            locked = ("--only-binary", ":all:", "--require-hashes", "-r", lock)
            subprocess.run((sys.executable, "-m", "venv", "--clear", folder), check=True, timeout=INSTALL_S)
            subprocess.run((python, "-m", "pip", "install", "-q", *locked), check=True, timeout=INSTALL_S)
            installed.touch()
    return python


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(tmp_path / "node") as served:
        yield served


async def run_story(python: Path, story: str, address: str, folder: Path, *words: str | Path) -> Any:
    """Run a story with a client generated from the description of the node at that address; return what it saw."""
    description = folder / "description.json"
    fetch = "import sys, urllib.request as u; open(sys.argv[2], 'wb').write(u.urlopen(sys.argv[1]).read())"
    await run(python, "-c", fetch, f"{address}/api/v1/openapi.json", description, within_s=RUN_S)

    config = CLIENT_FOLDER / "openapi-python-client.yaml"
    options = ("--meta", "none", "--fail-on-warning", "--config", config)
    making = ("generate", "--path", description, "--output-path", folder / "node_client", *options)
    await run(python, "-m", "openapi_python_client", *making, within_s=RUN_S)
    script = folder / "stories.py"  # beside the client, so that it finds it
    script.write_bytes((CLIENT_FOLDER / script.name).read_bytes())
    output = await run(python, script, story, address, *words, folder, within_s=RUN_S)
    return json.loads(output.splitlines()[-1])


@pytest.mark.timeout(600)
async def test_a_client_made_of_the_description_sends_follows_takes_downloads_and_answers(
    node: Door, maker: Path, tmp_path: Path
) -> None:
    pdf = tmp_path / "1523.pdf"
    pdf.write_bytes(PDF)
    keys = (await node.key(DEPARTMENT), await node.key(PROVINCE))
    answers = await run_story(maker, "exchange", node.address, tmp_path, *keys, pdf)

    assert answers["replayed"] is True
    assert answers["taken"] == "1523"
    assert answers["status_version"].startswith('"')
    assert "accepted" in answers["seen"]
    assert (tmp_path / "file").read_bytes() == PDF
    assert b"<edXML" in (tmp_path / "envelope").read_bytes()
    assert zipfile.ZipFile(io.BytesIO((tmp_path / "proof").read_bytes())).testzip() is None


@pytest.mark.timeout(600)
async def test_a_client_made_of_the_description_has_a_first_afternoon_with_a_robot(
    maker: Path, tmp_path: Path
) -> None:
    meta, pdf = tmp_path / "van-ban.json", tmp_path / "van-ban.pdf"
    with at_work(tmp_path / "sandbox") as running:
        meta.write_bytes(stage_of_sandbox.sample_meta(cast(), SystemClock()))
        pdf.write_bytes(stage_of_sandbox.lead(tmp_path / "sandbox"))
        answers = await run_story(maker, "afternoon", running.url, tmp_path, running.key, meta, pdf)

    assert answers["heard"] == ["01", "03"]
    assert answers["forged"] == 0
    assert answers["answered"]
    assert answers["files"] >= 1
    assert (tmp_path / "answer-1").read_bytes().startswith(b"%PDF-")
