"""The scanner as an adapter, against a real ClamAV daemon: what it finds, and that it never says clean for what was not
looked at (threat 65)."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from gateway.domain.identity import Digest
from gateway.domain.signatures import Scan
from gateway.errors import Misconfigured
from gateway.pool import ThreadPool
from gateway.trust.clamav import ClamScanner, NoScanner, ScanLimits, read_address
from tests.services.clamav import Clamd
from tests.support.scanner import EICAR, INFECTED
from tests.support.scanner import clamd as clamd
from tests.support.scanner import daemon as daemon

# It looked at every byte and found nothing.
CLEAN = Scan(clean=True)


def scanner(address: str, pool: ThreadPool, timeout_s: float = 20.0, rest_s: float = 0.0) -> ClamScanner:
    return ClamScanner(read_address(address), pool, ScanLimits(timeout_s=timeout_s, rest_s=rest_s))


async def scanned(clam: ClamScanner, folder: Path, raw: bytes, *, with_digest: bool = True) -> Scan:
    path = folder / "content"
    path.write_bytes(raw)
    return await clam.scan(path, Digest(hashlib.sha256(raw).hexdigest()) if with_digest else None)


@pytest.mark.parametrize("line", ["unix", "tcp"])
@pytest.mark.parametrize("which", sorted(INFECTED))
async def test_threat_065_malware_is_found_plain_and_at_every_depth(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path, which: str, line: str
) -> None:
    scan = await scanned(scanner(getattr(clamd, line), pool), tmp_path, INFECTED[which])

    assert scan.malware is not None
    assert "Eicar.Test" in scan.malware


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 1_000_000])
async def test_a_clean_file_of_any_size_is_clean(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path, size: int
) -> None:
    assert await scanned(scanner(clamd.unix, pool), tmp_path, b"x" * size) == CLEAN


async def test_threat_065_malware_behind_the_first_piece_is_found_and_the_same_bytes_are_not_looked_at_twice(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path
) -> None:
    assert (await scanned(scanner(clamd.unix, pool), tmp_path, b"x" * 300_000 + EICAR)).malware

    clam = scanner(clamd.unix, pool)
    first = await scanned(clam, tmp_path, EICAR)
    clamd.stop()

    assert await scanned(clam, tmp_path, EICAR) == first
    assert (await scanned(clam, tmp_path, b"other")).unscanned == "down"


@pytest.mark.parametrize("line", ["unix", "tcp"])
async def test_threat_065_what_is_larger_than_the_daemon_takes_is_not_called_clean(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path, line: str
) -> None:
    large = b"x" * (clamd.most_bytes + 2_000_000)

    assert await scanned(scanner(getattr(clamd, line), pool), tmp_path, large) == Scan(unscanned="too-large")
    assert await scanned(scanner(clamd.unix, pool), tmp_path, b"x") == CLEAN


async def test_threat_065_what_is_larger_than_the_setting_is_not_even_sent(
    pool: ThreadPool, tmp_path: Path
) -> None:
    limits = ScanLimits(max_bytes=10)
    nowhere = ClamScanner(read_address(f"unix:{tmp_path / 'nothing'}"), pool, limits)

    assert (await scanned(nowhere, tmp_path, b"x" * 11)).unscanned == "too-large"
    assert (await scanned(nowhere, tmp_path, b"x" * 10)).unscanned == "down"


async def test_threat_065_a_daemon_that_is_down_gives_no_verdict_and_is_used_again_when_it_is_back(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path
) -> None:
    clam = scanner(clamd.unix, pool)
    clamd.stop()

    assert await scanned(clam, tmp_path, b"x") == Scan(unscanned="down")
    assert (await clam.state()).word == "down"
    clamd.start()

    assert await scanned(clam, tmp_path, b"x") == CLEAN
    assert (await clam.state()).word == "ok"
    assert "ClamAV" in (await clam.state()).detail


async def test_threat_065_a_daemon_that_hangs_gives_no_verdict_in_time(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path
) -> None:
    clam = scanner(clamd.unix, pool, timeout_s=0.3)
    clamd.hang()

    assert await scanned(clam, tmp_path, EICAR, with_digest=False) == Scan(unscanned="late")

    clamd.resume()
    assert (await scanned(scanner(clamd.unix, pool), tmp_path, EICAR)).malware


async def test_after_a_failure_nobody_waits_for_it_again_for_a_while(
    clamd: Clamd, pool: ThreadPool, tmp_path: Path
) -> None:
    clam = scanner(clamd.unix, pool, timeout_s=60, rest_s=60)
    clamd.stop()
    assert (await scanned(clam, tmp_path, b"x")).unscanned == "down"
    clamd.start()
    clamd.hang()

    # The daemon hangs, so a scan that called it would end as late.
    scans = await asyncio.gather(*(scanned(clam, tmp_path, b"x") for _ in range(50)))

    assert {scan.unscanned for scan in scans} == {"down"}
    clamd.resume()
    assert (await clam.state()).word == "ok"  # looking at its state ends the rest
    assert await scanned(clam, tmp_path, b"x") == CLEAN


async def liar(answer: bytes) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "answer",
    [b"", b"stream: OK", b"x" * 100_000, b"\0", b"stream: ERROR\0", b"\xff\xfe\0", b"stream: OKAY\0"],
)
async def test_threat_065_nothing_but_the_word_clean_is_clean(
    pool: ThreadPool, tmp_path: Path, answer: bytes
) -> None:
    server, address = await liar(answer)
    async with server:
        scan = await scanned(scanner(address, pool, timeout_s=5), tmp_path, b"x", with_digest=False)

    assert scan == Scan(unscanned="down")


@pytest.mark.parametrize(
    "text",
    ["", "/run/clamd", "unix:clamd", "tcp://host", "tcp://:3310", "tcp://h:0", "tcp://h:99999", "h:3310"],
)
def test_an_address_that_is_none_is_refused_at_start(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"scanner\.address"):
        read_address(text)


async def test_without_a_scanner_the_scan_is_empty(tmp_path: Path) -> None:
    assert await NoScanner().scan(tmp_path, None) == Scan()
    assert (await NoScanner().state()).word == "off"
