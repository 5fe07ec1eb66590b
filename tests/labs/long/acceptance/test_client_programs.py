"""The programs on the pages of the Python client do what the pages say; each runs unchanged in a process of its own,
against a running node."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway_labs.sandbox import stage as stage_of_sandbox
from gateway_labs.sandbox.cast import cast
from gateway_labs.sandbox.opened import Running
from tests.labs.support.sandbox import at_work
from tests.support.api import DEPARTMENT, PDF, PROVINCE
from tests.support.services import missing
from tests.support.town.doors import Door, serving

ROOT = Path(__file__).parents[4]
HOME = ROOT / "clients" / "python"

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(tmp_path / "node") as served:
        yield served


def programs(page: Path) -> list[str]:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "gateway_client" in block]


class Program:
    """One program of a page, in a folder of its own, with nothing of the node within its reach."""

    def __init__(self, folder: Path, address: str, secret: str) -> None:
        self._folder = folder
        folder.mkdir()
        self._with = {"NODE": address, "KEY": secret, "PYTHONPATH": str(HOME), "PATH": os.environ["PATH"]}

    async def begun(self, program: str, *words: str) -> asyncio.subprocess.Process:
        script = self._folder / "program.py"
        script.write_text(program, encoding="utf-8")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), *words),
            cwd=self._folder,
            env=self._with,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )


async def line_with(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdout is not None
    lines = []
    while line := (await process.stdout.readline()).decode():
        lines.append(line)
        if text in line:
            return line
    raise AssertionError("".join(lines))


async def ended(process: asyncio.subprocess.Process) -> str:
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_programs_of_the_pages_send_receive_and_follow(node: Door, tmp_path: Path) -> None:
    chapter, _ = programs(ROOT / "docs" / "integrators.md")
    send, receive, follow = programs(HOME / "README.md")
    sender, recipient = await node.key(DEPARTMENT), await node.key(PROVINCE)
    pdf = tmp_path / "518.pdf"
    pdf.write_bytes(PDF)

    receiving = await Program(tmp_path / "receive", node.address, recipient).begun(receive)
    waiting = await Program(tmp_path / "chapter", node.address, sender).begun(chapter, str(pdf), PROVINCE)
    codes = await ended(waiting)
    once, repeat = [
        await ended(await Program(tmp_path / name, node.address, sender).begun(send, str(pdf), PROVINCE))
        for name in ("once", "again")
    ]
    following = await Program(tmp_path / "follow", node.address, sender).begun(follow)
    line = await line_with(following, once.split()[0])
    following.terminate()
    await following.communicate()
    await line_with(receiving, "A document over the API")
    receiving.terminate()
    report = await ended(receiving)

    assert re.findall(r"^(0\d) ", codes, re.MULTILINE) == ["01", "03"]
    assert once.split()[0] == repeat.split()[0]
    assert "message.status" in line
    assert (tmp_path / "follow" / "cursor.txt").read_text().startswith("evt_")
    assert "2 taken in, 0 failed" in report
    stored = {
        json.loads((folder / "item.json").read_text())["number"]: (folder / "1-518.pdf").read_bytes()
        for folder in (tmp_path / "receive" / "received").iterdir()
    }
    assert stored == {"518": PDF, "520": PDF}


@contextmanager
def afternoon(folder: Path) -> Iterator[tuple[Running, tuple[str, str]]]:
    """Open a sandbox; yield it with the paths of the metadata and the PDF beside it."""
    with at_work(folder / "sandbox") as running:
        meta, pdf = folder / "van-ban.json", folder / "van-ban.pdf"
        meta.write_bytes(stage_of_sandbox.sample_meta(cast(), SystemClock()))
        pdf.write_bytes(stage_of_sandbox.lead(folder / "sandbox"))
        yield running, (str(meta), str(pdf))


async def test_the_commands_of_the_guide_send_as_they_are_printed(tmp_path: Path) -> None:
    """In the sandbox, after the document that it prints itself: what the guide sends is accepted word for word."""
    page = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    sends = [block for block in blocks if "messages:validate" in block or "uploads/file?" in block]
    assert len(sends) == 2
    with afternoon(tmp_path) as (running, papers):
        words = ("messages", "Authorization: Bearer $KEY", "Idempotency-Key: 1")
        first = (
            'curl -s "$NODE/api/v1/{}" -H "{}" -H "{}"'.format(*words)
            + f" -F meta=@{papers[0]} -F lead=@{papers[1]}"
        )
        shutil.copy(papers[1], tmp_path / "sandbox" / "van-ban.pdf")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-ec", "\n".join([first, *sends])),
            cwd=tmp_path,
            env={"NODE": running.url, "KEY": running.key, "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = await ended(process)

    assert '"allowed":true' in output
    assert [number for number in ("518", "522") if f'"number":"{number}"' not in output] == []
    assert '"status":4' not in output


async def test_a_first_afternoon_in_the_sandbox_ends_with_an_answer(tmp_path: Path) -> None:
    _, first = programs(ROOT / "docs" / "integrators.md")
    with afternoon(tmp_path) as (running, papers):
        program = Program(tmp_path / "first", running.url, running.key)
        output = await ended(await program.begun(first, *papers))

    assert "heard: 01 03" in output
    (answer,) = (line for line in output.splitlines() if line.startswith("answered:"))
    assert "1-" in answer
    assert any(path.read_bytes().startswith(b"%PDF-") for path in (tmp_path / "first" / "answers").iterdir())


async def _the_same_afternoon(folder: Path, *program: str) -> None:
    """Check that the program sends, hears and fetches, run from a folder of its own."""
    with afternoon(folder) as (running, papers):
        process = await asyncio.create_subprocess_exec(
            *(*program, *papers),
            cwd=folder,
            env={"NODE": running.url, "KEY": running.key, "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = await ended(process)

    assert re.search(r"heard .*01.*03", output)
    assert "answered:" in output
    assert (folder / "answer.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.skipif(shutil.which("java") is None, reason="this machine has no Java")
async def test_the_same_afternoon_in_java(tmp_path: Path) -> None:
    await _the_same_afternoon(tmp_path, "java", str(ROOT / "clients" / "java" / "First.java"))


async def test_the_same_afternoon_in_c_sharp(tmp_path: Path) -> None:
    if shutil.which("mcs") is None:
        missing("mcs is not installed (package mono-mcs)")
    program_file = str(tmp_path / "first.exe")
    source = str(ROOT / "clients" / "dotnet" / "First.cs")
    words = ("-langversion:7", "-warnaserror", "-r:System.Net.Http.dll", f"-out:{program_file}", source)
    await ended(
        await asyncio.create_subprocess_exec(
            *("mcs", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    )

    await _the_same_afternoon(tmp_path, "mono", program_file)


async def test_a_refusal_is_told_in_words_and_by_an_exit_code(node: Door, tmp_path: Path) -> None:
    send, *_ = programs(HOME / "README.md")
    pdf = tmp_path / "518.pdf"
    pdf.write_bytes(PDF)

    process = await Program(tmp_path / "send", node.address, await node.key(DEPARTMENT)).begun(
        send, str(pdf), "Z99.99"
    )
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert b"/recipients/0" in output
    assert b"Traceback" not in output
