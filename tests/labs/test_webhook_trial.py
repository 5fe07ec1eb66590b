"""`gateway webhooks listen` and `trigger` at the keyboard: a real node, a real program that receives."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.api import event_types
from tests.support import api
from tests.support.api import Door
from tests.support.api import meta as document
from tests.support.hooks import Hooked, Receiver, answers, is_signed, near, receiving
from tests.support.waiting import LIMIT_S
from tests.unit.cli.conftest import Terminal

PROGRAM = (sys.executable, "-c", "from gateway.program import main; main()")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as program:
        yield program


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[Door]:
    async with api.opened(blank_node, tmp_path / "near", change=near) as opened:
        yield opened


@asynccontextmanager
async def command(*words: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(*PROGRAM, "--lang", "en", "webhooks", *words),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A run of the tests in a shell's background ignores the interrupt, and what it starts would too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


Ended = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def ended(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Return a function that types such a command in this process; it returns the exit code and both outputs."""

    async def type_words(*words: str, **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, text in environment.items():
                patch.setenv(name, text)
            run = await asyncio.to_thread(terminal.type, "--lang", "en", "webhooks", *words)
        return run.code, run.out, run.err

    return type_words


async def line_with(stream: asyncio.StreamReader | None, pattern: str) -> re.Match[str]:
    assert stream is not None
    read = []
    while line := (await stream.readline()).decode():
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"no {pattern!r} in {read}")


async def test_listen_posts_what_a_webhook_would_and_goes_on_from_its_cursor(
    door: Door, receiver: Receiver, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(await door.key(api.DEPARTMENT), "utf-8")
    words = ("listen", "--to", receiver.url, "--node", door.address, "--key-file", str(key_file))
    await door.send(document(number="1"), once="1")
    await door.carry()
    earlier = (await door.ask("GET", "/events")).json["next_after"]
    async with receiving() as program, command(*words, "-o", "ndjson") as process:
        secret = (await line_with(process.stderr, r"(whsec_\S+)"))[1]
        await line_with(process.stderr, f"Begins after {earlier}")
        await Hooked(town=door.town).add(program.url)
        trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}
        await door.send(document(number="2", callback_data="ours"), once="2", headers=trace)
        await door.carry()
        await Hooked(town=door.town).push()
        await receiver.wait_for(len(program.bodies) - 1)  # a webhook also gets the event of its making
        printed = json.loads((await line_with(process.stdout, r"\{.*"))[0])
        process.send_signal(signal.SIGINT)
        cursor = (await line_with(process.stderr, r"Ended. Go on with --after (\S+)"))[1]
        assert await process.wait() == 0
    assert printed == {
        "id": receiver.bodies[0]["id"],
        "type": receiver.bodies[0]["type"],
        "subject": receiver.bodies[0]["subject"],
        "code": "ok",
        "status": 204,
        "answer": "",
    }

    ours = {
        body["id"]: (headers, raw) for body, (headers, raw) in zip(receiver.bodies, receiver.raw, strict=True)
    }
    nodes = {
        body["id"]: (headers, raw) for body, (headers, raw) in zip(program.bodies, program.raw, strict=True)
    }
    assert "message.accepted" in {body["type"] for body in receiver.bodies}
    own = {"Host", "webhook-timestamp", "webhook-signature", "traceparent"}
    for id, (headers, raw) in ours.items():
        if id not in nodes:
            assert json.loads(raw)["type"] == "webhook.added"
            continue
        assert raw == nodes[id][1]
        assert headers.keys() == nodes[id][0].keys()
        assert {k: v for k, v in headers.items() if k not in own} == {
            k: v for k, v in nodes[id][0].items() if k not in own
        }
        assert is_signed(secret, headers, raw)
        assert headers.get("traceparent", TRACE).split("-")[1:2] in ([TRACE], [])

    # Events of a pause are posted later, and once.
    await door.send(document(number="3"), once="3")
    await door.carry()
    count = len(receiver.bodies)
    async with command(
        *words, "--after", cursor, "--type", "message.*", GATEWAY_WEBHOOK_SECRET=SECRET
    ) as process:
        await receiver.wait_for(count + 1)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert receiver.bodies[count]["type"] == "message.accepted"
    assert receiver.bodies[count]["sequence"] > receiver.bodies[count - 1]["sequence"]
    assert is_signed(SECRET, *receiver.raw[count])


async def test_listen_says_what_is_wrong_with_its_node_key_and_cursor(
    door: Door, receiver: Receiver, ended: Ended
) -> None:
    words = ("listen", "--to", receiver.url, "--node", door.address)
    key = await door.key(api.DEPARTMENT)
    for code, text, more, environment in (
        (2, "--key-file", (), {}),
        (5, "the key is wrong", (), {"GATEWAY_KEY": "gwk_wrong"}),
        (4, "leave --after out", ("--after", "evt_01J0000000000000000000000Z-2"), {"GATEWAY_KEY": key}),
        (6, "does not answer", ("--node", "http://127.0.0.1:9"), {"GATEWAY_KEY": key}),
        (2, "whsec_", (), {"GATEWAY_KEY": key, "GATEWAY_WEBHOOK_SECRET": "secret"}),
        (4, "https", ("--to", "ftp://127.0.0.1/x"), {"GATEWAY_KEY": key}),
    ):
        status, out, err = await ended(*words, *more, **environment)
        assert (status, out) == (code, ""), err
        assert text in err
    assert receiver.bodies == []


async def test_trigger_posts_the_recorded_example_signed_with_a_new_id(
    receiver: Receiver, ended: Ended
) -> None:
    code, out, err = await ended("trigger", "-o", "json")
    assert code == 0, err
    listed: list[dict[str, Any]] = json.loads(out)["data"]
    assert [row["event"] for row in listed] == [
        kind.name for kind in event_types.table() if kind.name in event_types.recorded()
    ]

    for _ in range(2):
        code, out, _ = await ended(
            "trigger", "message.status", "--to", receiver.url, GATEWAY_WEBHOOK_SECRET=SECRET
        )
        assert (code, "204" in out) == (0, True)
    new = ("id", "created_at")
    example = event_types.recorded()["message.status"]
    assert all({**body, **{n: example[n] for n in new}} == example for body in receiver.bodies)
    assert receiver.bodies[0]["id"] != receiver.bodies[1]["id"]
    assert receiver.all_signed(SECRET)

    receiver.behave = answers(500, text="no room")
    code, out, err = await ended("trigger", "message.status", "--to", receiver.url)
    assert (code, "500" in out, "no room" in out, "whsec_" in err) == (6, True, True, True)
    for words, status in (
        (("trigger", "message.later", "--to", receiver.url), 3),
        (("trigger", "message.status"), 2),
    ):
        code, out, err = await ended(*words)
        assert (code, out) == (status, ""), err
