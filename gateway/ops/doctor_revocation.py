"""What a doctor says of revocation (K4): lists in files, and the authorities that are asked. In: the trust folder, the
store, the time. Out: level, cause, what to tell, and the command that cures it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.ops import trust_state
from gateway.ops.doctor_log import Told
from gateway.store.store import SqlStore
from gateway.trust import revocation_sources

_LEVELS = {trust_state.GOOD: "green", trust_state.FAILING: "yellow", trust_state.LATE: "red"}


def lists(trust_folder: Path, now: datetime) -> Iterator[Told]:
    """A list that ran out means that nobody hears of a revocation; after the grace every packet is held."""
    folder = trust_folder / "crl"
    files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    if not files and not (trust_folder / revocation_sources.FILE).is_file():
        yield Told(level="yellow", cause="revocation.none", params={"path": folder})
    for file in files:
        yield _list(file, now)


def _list(file: Path, now: datetime) -> Told:
    try:
        ends = x509.load_pem_x509_crl(file.read_bytes()).next_update_utc
    except (ValueError, OSError, x509.InvalidVersion) as error:
        return Told(level="red", cause="failed", params={"detail": f"{file}: {error}"})
    told = {"path": file, "until": ends.isoformat(timespec="minutes") if ends else "–"}
    late = ends is not None and ends < now
    return Told(
        level="red" if late else "green",
        cause="revocation.late" if late else "revocation.fine",
        params=told,
    )


async def authorities(trust_folder: Path, store: SqlStore, now: datetime) -> list[Told]:
    """How old the answers of those are who are asked."""
    return [
        Told(
            level=_LEVELS[each.word],
            cause=f"revocation.asked.{each.word}",
            params={
                "issuer": each.issuer,
                "why": each.error or "–",
                "oldest": each.oldest.isoformat(timespec="minutes") if each.oldest else "–",
            },
            cure=None if each.word == trust_state.GOOD else "gateway trust refresh",
        )
        for each in await trust_state.asked(trust_folder, store, now)
    ]
