"""A real scanner for the tests of one module, and files that it knows."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services import clamav
from tests.support.services import missing

EICAR = clamav.EICAR


@contextmanager
def running() -> Iterator[clamav.Clamd]:
    """In a short folder, because a socket's path has at most 107 bytes."""
    if not clamav.installed():
        missing("ClamAV is not installed; `make test` installs it where it may")
    with tempfile.TemporaryDirectory(prefix="clamd-") as folder:
        clamd = clamav.start(Path(folder))
        try:
            yield clamd
        finally:
            clamd.stop()


def zipped(*members: tuple[str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members:
            archive.writestr(name, raw)
    return output.getvalue()


INFECTED = {
    "plain": EICAR,
    "zip": zipped(("thu.txt", EICAR)),
    "zip in zip": zipped(("trong.zip", zipped(("thu.txt", EICAR)))),
    "docx": zipped(
        ("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<x/>"), ("word/media/image1.png", EICAR)
    ),
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[clamav.Clamd]:
    with running() as clamd:
        yield clamd


@pytest.fixture
def clamd(daemon: clamav.Clamd) -> Iterator[clamav.Clamd]:
    """Up again after each test."""
    yield daemon
    daemon.resume()
    if not daemon.answers():
        daemon.stop()
        daemon.start()
