"""Two enrolled persons of a node that is set up, for tests that type commands: what each types unseen, line by line."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyotp
from sqlalchemy import text

from gateway.bootstrap.core import open_core
from gateway.settings import load
from tests.support import people
from tests.support.people import PASSPHRASE

FIRST, SECOND = "An", "Binh"


@dataclass(frozen=True, kw_only=True)
class Deciders:
    """Both of them, by what their devices hold."""

    settings: Path
    totp: Mapping[str, str]

    @classmethod
    def add_to(cls, settings: Path) -> Deciders:
        """Add two deciders to the node of these settings, which has none yet."""
        return cls(settings=settings, totp=asyncio.run(_add_people(settings)))

    def lines(self, name: str, *more: str) -> str:
        """Return the lines that a person types: passphrase, the device's code, and further answers."""
        asyncio.run(_fresh(self.settings))
        return "\n".join((PASSPHRASE, pyotp.TOTP(self.totp[name]).now(), *more)) + "\n"


@contextmanager
def typing(lines: str) -> Iterator[None]:
    """These lines are what commands of this process read."""
    stdin, sys.stdin = sys.stdin, io.StringIO(lines)
    try:
        yield
    finally:
        sys.stdin = stdin


async def _add_people(settings: Path) -> dict[str, str]:
    with people.cheap():
        async with open_core(load(settings, os.environ)) as office:
            return {person.name: person.totp for person in await people.two(office.deciding)}


async def _fresh(settings: Path) -> None:
    """A code is good once, and no test waits half a minute for the next one."""
    async with open_core(load(settings, os.environ)) as office, office.store.writer.begin() as line:
        await line.execute(text("UPDATE person SET last_step = 0"))
