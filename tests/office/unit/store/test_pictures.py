"""Pictures of pages lie with their document: they are bounded, go with it, and nothing that the disk does to them is more
than another drawing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.document import FileItem, FileRole, InState, OutState
from gateway.domain.identity import Digest
from gateway.domain.pdf import PageLook, Size
from gateway.store.data_folder import Room
from gateway_office.domain.content import may_be_kept
from gateway_office.store.pictures import FilePictures, PictureKey
from tests.support.clock import ManualClock
from tests.support.stores import incoming, outgoing

KEY = PictureKey(
    agency_id="agy_1", document_id="inb_1", n=1, digest=Digest.of_bytes(b"\1" * 32), page=1, dots=100
)
LOOK = PageLook(pages=3, sizes=(Size(width=595, height=842),), picture=b"RIFF0000WEBP" + b"\n" * 500)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def folder(root: Path, most: int = 100_000, reserve: int = 0) -> FilePictures:
    return FilePictures(root, most, Room(folder=root, reserve=reserve))


def test_what_was_kept_is_found_and_nothing_else(root: Path) -> None:
    pictures = folder(root)
    pictures.keep(KEY, LOOK)

    assert pictures.find(KEY) == LOOK
    for other in ({"document_id": "inb_2"}, {"agency_id": "agy_2"}, {"page": 2}, {"dots": 200}, {"n": 2}):
        assert pictures.find(replace(KEY, **other)) is None
    assert pictures.find(replace(KEY, digest=Digest.of_bytes(b"\2" * 32))) is None


def test_a_picture_of_an_earlier_way_of_drawing_is_redrawn(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that were kept before seals were drawn would show every document as unsigned."""
    folder(root).keep(KEY, LOOK)

    monkeypatch.setattr("gateway_office.store.pictures.DRAWING", 1)

    assert folder(root).find(KEY) is None


def test_only_the_nodes_own_user_reads_them(root: Path) -> None:
    folder(root).keep(KEY, LOOK)

    assert {path.stat().st_mode & 0o077 for path in [root, *root.rglob("*")]} == {0}


def test_threat_133_a_document_takes_all_its_pictures_along_and_only_its_own(root: Path) -> None:
    pictures, other = folder(root), replace(KEY, document_id="inb_2")
    for key in (KEY, replace(KEY, page=2), replace(KEY, dots=200), other):
        pictures.keep(key, LOOK)

    pictures.forget("agy_1", ["inb_1", "inb_3"])

    assert pictures.find(KEY) is None
    assert pictures.find(other) == LOOK
    assert pictures.documents() == {"agy_1": ["inb_2"]}


def test_over_the_bound_those_go_that_nobody_looked_at_longest(root: Path) -> None:
    pictures = folder(root, most=3_000)
    keys = [replace(KEY, page=n) for n in range(1, 10)]
    for n, key in enumerate(keys):
        pictures.keep(key, LOOK)
        for at, path in enumerate(sorted(root.rglob("1-*"), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(path, ns=(at, at))
        if n < 8:
            pictures.find(keys[0])

    assert pictures.find(keys[0]) == LOOK
    assert pictures.find(keys[1]) is None or pictures.find(keys[2]) is None
    assert sum(path.stat().st_size for path in root.rglob("1-*")) <= 3_000


@pytest.mark.parametrize("octets", [b"", b"{}", b"{}\nx", b'{"pages": 1, "sizes": [[1]], "length": 1}\nx'])
def test_a_damaged_file_is_redrawn(root: Path, octets: bytes) -> None:
    pictures = folder(root)
    pictures.keep(KEY, LOOK)
    next(root.rglob("1-*")).write_bytes(octets)

    assert pictures.find(KEY) is None


def test_with_no_room_nothing_is_kept_and_nothing_breaks(root: Path) -> None:
    folder(root, most=0).keep(KEY, LOOK)
    folder(root, reserve=2**62).keep(KEY, LOOK)

    assert folder(root).find(KEY) is None
    assert list(root.rglob("1-*")) == []


def test_threat_133_what_is_doubted_taken_back_sealed_or_marked_secret_is_never_kept() -> None:
    document = replace(incoming(ManualClock()), state=InState.NEW, checks={})

    states = {state for state in InState if may_be_kept(replace(document, state=state))}
    work = {InState.NEW, InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING}
    assert states == work | {InState.DONE, InState.REPLACED}
    assert not may_be_kept(replace(document, checks={"warnings": "secrecy-stamp at /files/1 (stamp=MẬT)"}))
    assert not may_be_kept(replace(document, checks={"reasons": "secrecy-declared at /secrecy (value=mat)"}))


def test_threat_133_of_what_goes_out_nothing_is_kept_that_is_sealed_given_up_or_may_be_a_secret() -> None:
    file = FileItem(
        n=1, name="a.pdf", role=FileRole.LEAD, content_type="pdf", size=1, sha256=Digest.of_bytes(bytes(32))
    )
    document = replace(outgoing(ManualClock()), state=OutState.DRAFT, files=(file,))

    assert may_be_kept(document)
    assert may_be_kept(replace(document, state=OutState.PACKED))
    assert not may_be_kept(replace(document, is_sealed=True))
    assert not may_be_kept(replace(document, state=OutState.CANCELLED))
    assert not may_be_kept(replace(document, draft=replace(document.draft, secrecy="mat")))
    assert not may_be_kept(replace(document, files=(replace(file, stamped=True),)))
