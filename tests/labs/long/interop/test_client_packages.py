"""The packages of clients (tools/make_clients.py) are made and compiled of the description that a running node serves,
installed from their files, and work: upload, send by JSON, follow to done, lease, store, compare, acknowledge, refuse,
recall, check a webhook. The answer to their first send is lost, which the layer must mend under one Idempotency-Key. A
language whose compiler or jars cannot be had here says so."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway_labs.sandbox import stage as stage_of_sandbox
from gateway_labs.sandbox.cast import cast
from gateway_labs.sandbox.opened import Running
from tests.labs.support.sandbox import Breakage, at_work, broken_copy
from tests.support.services import missing

ROOT = Path(__file__).parents[4]
MAKER = ROOT / "tools" / "make_clients.py"
STORIES = Path(__file__).parent / "client"
BUILD_S, RUN_S = 800, 180
SECRET = "whsec_" + base64.b64encode(b"a secret of a webhook for a test").decode()
EXIT_LEFT_OUT = 3

pytestmark = [pytest.mark.timeout(1200)]


async def run(*words: str | Path, folder: Path, within_s: float = RUN_S, fine: tuple[int, ...] = (0,)) -> str:
    process = await asyncio.create_subprocess_exec(
        *map(str, words), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(within_s):
        raw, _ = await process.communicate()
    text = raw.decode(errors="replace")
    assert process.returncode in fine, text[-6000:]
    if process.returncode == EXIT_LEFT_OUT:
        missing(text.strip())
    return text


async def packages(language: str, running: Running, folder: Path) -> list[Path]:
    """Make the packages of a language of the description that is served there."""
    description = folder / "description.json"
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/api/v1/openapi.json") as got:
        description.write_bytes(await got.read())
    words = (sys.executable, MAKER, language, "--description", description, "--out", folder / "dist")
    await run(*words, folder=ROOT, within_s=BUILD_S, fine=(0, EXIT_LEFT_OUT))
    return sorted((folder / "dist").iterdir())


def webhook() -> tuple[str, ...]:
    """Return id, time, signature, body and secret of a webhook that was signed now."""
    event = {"id": "evt_1", "type": "message.status", "created_at": "2026-11-20T14:02:11+07:00"}
    body = json.dumps(event | {"agency": "T00.01", "sequence": 1, "subject": "msg_1", "data": {}})
    stamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = hmac.digest(key, f"evt_1.{stamp}.{body}".encode(), "sha256")
    return "evt_1", stamp, f"v1,{base64.b64encode(signature).decode()}", body, SECRET


async def check_story(running: Running, folder: Path, *program: str | Path) -> Any:
    """Let the program tell the story through a line that loses the answer to its first send, and judge what it saw."""
    meta, pdf = folder / "van-ban.json", folder / "van-ban.pdf"
    meta.write_bytes(stage_of_sandbox.sample_meta(cast(), SystemClock()))
    pdf.write_bytes(stage_of_sandbox.lead(folder / "sandbox"))
    sends: list[str] = []

    def lose_first(method: str, path: str, reply: Any) -> Any:
        if (method, path) == ("POST", "/api/v1/messages"):
            sends.append(reply["id"])
            if len(sends) == 1:
                raise web.HTTPServiceUnavailable()
        return reply

    headers = {"Authorization": f"Bearer {running.key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for act in ("first", "second"):
            scenario = {"robot": "TEST.OK", "act": "document"}
            once = {"Idempotency-Key": act}
            async with session.post(
                f"{running.url}/api/v1/sandbox/scenarios", json=scenario, headers=once
            ) as answer:
                assert answer.ok, await answer.text()
    async with broken_copy(running, Breakage(answers=lose_first)) as address:
        output = await run(*program, address, running.key, meta, pdf, *webhook(), folder=folder)
    story = json.loads(output.splitlines()[-1])

    assert len(sends) == 2
    assert len(set(sends)) == 1
    assert story["state"] == "done"
    assert story["answers"] == ["accepted", "rejected"]
    assert (story["done"], story["failed"]) == (2, 0)
    assert story["recalled"] is True
    assert story["webhook"] == "message.status"
    assert all(story["refused"]), story["refused"]
    return story


async def test_the_wheel_works_from_its_file(tmp_path: Path) -> None:
    with at_work(tmp_path / "sandbox") as running:
        (wheel,) = await packages("python", running, tmp_path)
        home = tmp_path / "home"
        await run(sys.executable, "-m", "venv", home, folder=tmp_path)
        await run(home / "bin" / "pip", "install", "-q", "--no-index", wheel, folder=tmp_path)
        await check_story(running, tmp_path, home / "bin" / "python", STORIES / "story.py")
    assert (tmp_path / "python-1").read_bytes().startswith(b"%PDF-")


async def test_the_jar_compiles_and_works_from_its_file(tmp_path: Path) -> None:
    with at_work(tmp_path / "sandbox") as running:
        jar, _ = await packages("java", running, tmp_path)
        library = await run(sys.executable, MAKER, "--class-path", folder=ROOT)
        path = os.pathsep.join((str(jar), library.strip()))
        await check_story(running, tmp_path, "java", "-cp", path, STORIES / "Story.java")
    assert (tmp_path / "java-1").read_bytes().startswith(b"%PDF-")


async def test_the_package_for_npm_compiles_strictly_and_works_from_its_file(tmp_path: Path) -> None:
    with at_work(tmp_path / "sandbox") as running:
        (package,) = await packages("typescript", running, tmp_path)
        (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
        shutil.copy(STORIES / "story.ts", tmp_path)
        pinned = json.loads((ROOT / "clients" / "typescript" / "package.json").read_text())["devDependencies"]
        tools = [f"{name}@{pinned[name]}" for name in ("typescript", "@types/node")]
        await run("npm", "install", "--silent", package, *tools, folder=tmp_path)
        options = ("--strict", "--noUncheckedIndexedAccess", "--module", "nodenext", "--target", "es2022")
        await run("node_modules/.bin/tsc", *options, "--types", "node", "story.ts", folder=tmp_path)
        await check_story(running, tmp_path, "node", "story.js")
    assert (tmp_path / "typescript-1").read_bytes().startswith(b"%PDF-")


async def test_the_nupkg_compiles_and_works_from_its_file(tmp_path: Path) -> None:
    with at_work(tmp_path / "sandbox") as running:
        (package,) = await packages("dotnet", running, tmp_path)
        with zipfile.ZipFile(package) as archive:
            (assembly,) = [name for name in archive.namelist() if name.endswith(".dll")]
            archive.extract(assembly, tmp_path)
        library = await run(sys.executable, MAKER, "--json-of-dotnet", folder=ROOT)
        for path in (tmp_path / assembly, Path(library.strip())):
            shutil.copy(path, tmp_path)
        names = [path.name for path in tmp_path.glob("*.dll")]
        names += ["System.Net.Http.dll", "System.ComponentModel.DataAnnotations.dll"]
        words = ("-langversion:latest", "-warnaserror", *(f"-r:{name}" for name in names))
        await run("mcs", *words, "-out:story.exe", STORIES / "Story.cs", folder=tmp_path)
        story = await check_story(running, tmp_path, "mono", "story.exe")
    assert (tmp_path / "dotnet-1").read_bytes().startswith(b"%PDF-")
    assert "MessageStatusEvent" in story["kinds"]
    assert "EventOut" not in story["kinds"]
