"""What a check says of the server's certificate: authority, name and days left. The server here speaks TLS and no AMQP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.diagnosis import Diagnosis, Level
from gateway.transport.amqp.access import Access, Server
from gateway.transport.broker import check
from tests.support import tls_servers

GOOD_DAYS = 40.5


def certificate(folder: Path, days: float = GOOD_DAYS) -> tuple[Path, Path]:
    """Make a certificate of this machine for so many days; it is its own authority."""
    return tls_servers.make_certificate(folder, f"server-{days}", datetime.now(UTC) + timedelta(days=days))


@asynccontextmanager
async def server(file: Path, key: Path) -> AsyncIterator[Server]:
    """Show this certificate, and close every line that accepted it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield Server(host="127.0.0.1", port=listening.sockets[0].getsockname()[1], tls=True)


async def examined(at: Server, trusted: Path) -> dict[str, Diagnosis]:
    access = Access(servers=(at,), vhost="v", user="u", password="p", ca=trusted, connect_s=5.0)
    return {diagnosis.check: diagnosis async for diagnosis in check.examine(access, "u", ())}


async def test_a_certificate_is_told_with_its_days_and_one_that_ends_soon_stops_no_check(
    tmp_path: Path,
) -> None:
    good = certificate(tmp_path)
    async with server(*good) as at:
        diagnoses = await examined(at, good[0])

    assert (diagnoses["tls"].level, diagnoses["tls"].params["days"]) == (Level.GREEN, 40)
    assert (diagnoses["login"].level, diagnoses["login"].cause) == (Level.RED, "login.broken")
    assert {diagnoses[step].level for step in ("queues", "rights", "hosted")} == {Level.SKIPPED}

    ending = certificate(tmp_path, 13.5)
    async with server(*ending) as at:
        diagnoses = await examined(at, ending[0])

    assert (diagnoses["tls"].level, diagnoses["tls"].cause) == (Level.RED, "tls.expiring")
    assert diagnoses["login"].level is Level.RED


@pytest.mark.parametrize(
    ("days", "host", "trusted"),
    [(GOOD_DAYS, "localhost", GOOD_DAYS), (-1.0, "127.0.0.1", -1.0), (GOOD_DAYS, "127.0.0.1", 41.5)],
    ids=["a wrong name", "expired", "another authority"],
)
async def test_a_certificate_that_does_not_hold_is_not_accepted(
    tmp_path: Path, days: float, host: str, trusted: float
) -> None:
    server_files, (authority, _) = certificate(tmp_path, days), certificate(tmp_path, trusted)
    if trusted == days:
        authority = server_files[0]
    async with server(*server_files) as at:
        diagnoses = await examined(replace(at, host=host), authority)

    assert (diagnoses["tls"].level, diagnoses["tls"].cause, diagnoses["tls"].cure) == (
        Level.RED,
        "tls.untrusted",
        "axis.cure.tls",
    )
    assert diagnoses["login"].level is Level.SKIPPED


async def test_a_trust_file_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    async with server(*certificate(tmp_path)) as at:
        diagnoses = await examined(at, tmp_path / "empty.pem")

    assert diagnoses["tls"].level is Level.RED
    assert "amqp.ca" in str(diagnoses["tls"].params)
