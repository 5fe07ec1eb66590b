"""Two witnesses of the demonstration's log, in its own process: they answer over HTTP as a monitor of a province would. In:
requests of C2SP's tlog-witness. Out: cosignatures. Their keys lie in the demonstration's folder; what they saw is forgotten
with the process, and the node then begins with them anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import cast

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import time_source
from gateway.cli.serve import listening
from gateway.domain.notes import WITNESS, Checkpoint, NoteKey, NoteKind
from gateway.domain.witness import Growth, judge_growth, read_request
from gateway.errors import InvalidProof
from gateway.settings import Settings
from gateway.trust.keys import own_key
from gateway.trust.note_keys import NoteSigner

NAMES = ("luu-tru", "thanh-tra")
EVERY_S = 60


@dataclass(slots=True)
class DemoWitness:
    """Witness of every log that asks it."""

    signer: NoteSigner
    latest: dict[str, Checkpoint] = field(default_factory=dict)

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        try:
            question = read_request((await request.read()).decode())
        except (InvalidProof, UnicodeDecodeError) as cause:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{cause}\n")
        checkpoint = question.signed.checkpoint
        latest = self.latest.get(checkpoint.origin)
        if judge_growth(latest, question) not in (Growth.GREW, Growth.SAME):
            size = latest.size if latest is not None else 0
            return web.Response(status=HTTPStatus.CONFLICT, text=f"{size}\n")
        self.latest[checkpoint.origin] = checkpoint
        at = datetime.fromtimestamp(time_source.unix_ns() / 1e9, UTC)
        return web.Response(text=str(self.signer.sign(checkpoint, at)))


@asynccontextmanager
async def witnessed(settings: Settings, folder: Path) -> AsyncIterator[Settings]:
    """Let the witnesses listen, and yield settings with which the node asks them each minute."""
    async with AsyncExitStack() as stack:
        places = []
        for name in NAMES:
            file = folder / f"{name}.key.pem"
            private = cast(
                "Ed25519PrivateKey", own_key(file, None, Ed25519PrivateKey.generate, "of a witness")
            )
            public = private.public_key().public_bytes_raw()
            key = NoteKey(f"{WITNESS}{name}", NoteKind.COSIGNATURE, public)
            app = web.Application()
            app.router.add_post("/add-checkpoint", DemoWitness(NoteSigner(key, private)).add_checkpoint)
            url = await stack.enter_async_context(listening(app, "witness", "127.0.0.1", 0, 1.0))
            places.append(f"{name}={url} {key}")
        log = replace(settings.log, witnesses=", ".join(places), witness_every_s=EVERY_S)
        yield replace(settings, log=log)
