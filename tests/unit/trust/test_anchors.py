"""The file of root certificates: replaced whole, never losing one that people approved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import Clash, Misconfigured
from gateway.trust.folder import LARGEST_ANCHOR_FILE, AnchorFile
from tests.support import pki
from tools.pki import parts

AT = datetime(2031, 3, 4, tzinfo=UTC)
SPAN = (AT, AT + timedelta(days=1))


def root(n: int) -> bytes:
    return pki.der(parts.root(f"Root {n}", SPAN).certificate)


def test_two_that_are_approved_at_once_are_both_kept(tmp_path: Path) -> None:
    """Each in its own process, as far as the file can tell."""
    roots = [root(n) for n in range(8)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda der: AnchorFile(tmp_path / "trust" / "ca.pem").add(der), roots))

    anchors_stored = {pki.der(x) for x in AnchorFile(tmp_path / "trust" / "ca.pem").certificates()}
    assert anchors_stored == set(roots)


def test_one_that_is_there_changes_nothing_and_neither_does_what_is_none_or_too_large(tmp_path: Path) -> None:
    anchors = AnchorFile(tmp_path / "ca.pem")
    first = root(1)
    anchors.add(first)
    written_at_before = (tmp_path / "ca.pem").stat().st_mtime_ns

    anchors.add(first)
    with pytest.raises(Clash, match="no authority"):
        anchors.add(b"no certificate")

    assert (tmp_path / "ca.pem").stat().st_mtime_ns == written_at_before
    assert (tmp_path / "ca.pem").stat().st_mode & 0o777 == 0o644

    anchors = AnchorFile(tmp_path / "ca.pem")
    anchors.add(root(1))
    with (tmp_path / "ca.pem").open("ab") as file:
        file.write(b"\n" * LARGEST_ANCHOR_FILE)
    size = (tmp_path / "ca.pem").stat().st_size

    with pytest.raises(Misconfigured, match="more than"):
        anchors.add(root(2))

    assert (tmp_path / "ca.pem").stat().st_size == size
