"""The file around a pack: one form for each content, so that every byte of it counts (E5)."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.evidence import (
    MANIFEST,
    MOST_BYTES,
    SIGNATURE,
    Manifest,
    PackSignature,
    SpoiledPack,
    canonical,
    signed_bytes,
)
from gateway.ops.evidence import log, pack_file
from gateway.ops.evidence.contents import read_story
from gateway.ops.evidence.pack_file import EvidenceKey, PackPart, part_of, prepare
from tests.support.amounts import examples
from tests.support.cases import Cases
from tests.support.evidence import Scene, unpacked

SIGNER = EvidenceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WORDS = Manifest(
    pack="evp_1", made_at="2026-11-20T01:00:00+00:00", node="n", agency="Z91", software="1", about={}
)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}(/[a-z0-9][a-z0-9._-]{0,8})?", fullmatch=True)
contents = st.dictionaries(
    names.filter(lambda name: name not in (MANIFEST, SIGNATURE)), st.binary(max_size=300), max_size=6
)


def zip_bytes(members: dict[str, bytes]) -> bytes:
    files = [part_of(name, "application/octet-stream", content) for name, content in members.items()]
    return b"".join(prepare(files, WORDS, SIGNER).pieces())


def opened(raw: bytes, folder: Path) -> pack_file.Pack:
    file = folder / "pack.zip"
    file.write_bytes(raw)
    return pack_file.read_pack(file)


@given(members=contents)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read_back_by_us_and_by_any_unpacking_program(
    members: dict[str, bytes], tmp_path: Path
) -> None:
    raw = zip_bytes(members)

    pack = opened(raw, tmp_path)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in members} == members
    assert {member.name: pack.read(member.name) for member in pack.manifest.members} == members
    pack_file.check_signature(pack.signature, signed_bytes(pack.manifest_bytes))


def test_the_same_parts_words_and_key_give_the_same_bytes_whose_number_is_known_before() -> None:
    ready = prepare([part_of("a", "text/plain", b"x" * 1000)], WORDS, SIGNER)

    assert ready.size == len(b"".join(ready.pieces()))
    assert zip_bytes({"a": b"1", "b": b"2"}) == zip_bytes({"a": b"1", "b": b"2"})


@given(data=st.data())
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pack_with_anything_changed_left_out_or_put_in_is_refused_by_a_members_name(
    data: st.DataObject, tmp_path: Path
) -> None:
    raw = zip_bytes({"packets/1.edxml": b"<edXML/>" * 20, "story.json": b"{}\n"})
    at = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(("change", "remove", "insert", "cut"))):
        case "change":
            spoiled = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
        case "remove":
            spoiled = raw[:at] + raw[at + data.draw(st.integers(1, 40)) :]
        case "insert":
            spoiled = raw[:at] + data.draw(st.binary(min_size=1, max_size=40)) + raw[at:]
        case _:
            spoiled = raw[:at]

    if spoiled != raw:
        with pytest.raises(SpoiledPack) as refused:
            opened(spoiled, tmp_path)
        assert refused.value.member


def test_threat_118_an_archive_with_more_than_the_manifest_makes_is_refused(
    tmp_path: Path, cases: Cases
) -> None:
    raw = zip_bytes({"story.json": b"{}\n"})
    odd = {
        "a comment": raw[:-2] + b"\x03\x00abc",
        "bytes before it": b"#!/bin/sh\n" + raw,
        "bytes after it": raw + b"\n",
        "a second archive after it": raw + raw,
        "nothing": b"",
        "another format": b"%PDF-1.7\n" + raw,
    }
    for name, content in odd.items():
        with cases.case(name), pytest.raises(SpoiledPack):
            opened(content, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_threat_118_a_member_that_the_manifest_does_not_name_is_refused(tmp_path: Path, cases: Cases) -> None:
    """Also one of the same name, or of the same name in other letters; put in by an ordinary program."""
    raw = zip_bytes({"story.json": b"{}\n"})
    for extra in ("extra.txt", "story.json", "STORY.JSON", "../story.json", "/etc/passwd"):
        altered = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(altered, "w") as archive:
            for name in source.namelist():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), source.read(name))
            archive.writestr(extra, b"x")
        with cases.case(extra), pytest.raises(SpoiledPack):
            opened(altered.getvalue(), tmp_path)


def test_threat_118_a_manifest_cannot_give_a_member_a_name_that_is_another_place_or_a_name_twice(
    cases: Cases,
) -> None:
    odd = ("A", "a/../b", "../a", "/a", "a//b", "a/", "", ".hidden", "con\u202efdp", "a b", "a\\b", "a" * 200)
    fields = {"size": 0, "sha256": "0" * 64, "media": "text/plain"}
    for name in (*odd, MANIFEST):
        with cases.case(name), pytest.raises(SpoiledPack):
            Manifest.from_bytes(manifest_with([{"name": name, **fields}]))
    with cases.case("twice"), pytest.raises(SpoiledPack, match="twice"):
        Manifest.from_bytes(manifest_with([{"name": "a", **fields}] * 2))


def test_threat_118_a_pack_past_what_a_zip_can_tell_is_refused_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offsets of four bytes end there; ZIP64 would be a second way to say them."""
    fields = {"size": MOST_BYTES, "sha256": "0" * 64, "media": "text/plain"}
    with pytest.raises(SpoiledPack, match="more than"):
        Manifest.from_bytes(manifest_with([{"name": "a", **fields}, {"name": "b", **fields}]))

    raw = zip_bytes({"a": b"1"})
    monkeypatch.setattr(pack_file, "MOST_BYTES", len(raw) - 1)
    with pytest.raises(SpoiledPack, match="more than"):
        opened(raw, tmp_path)


def manifest_with(members: list[dict[str, object]]) -> bytes:
    fields = {
        name: getattr(WORDS, name) for name in ("pack", "made_at", "node", "agency", "software", "about")
    }
    return canonical({"format": "gateway-evidence-1", **fields, "members": members})


@given(raw=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_whatever_stands_in_place_of_a_list_it_is_spoiled_and_nothing_else(raw: bytes) -> None:
    for reader in (
        Manifest.from_bytes,
        PackSignature.from_bytes,
        read_story,
        lambda content: some(list(log.read_leaves([content]))),
        lambda content: some(log.read_joined([content])),
        lambda content: log.read_seal("log/seals/000000000001.seal", content),
    ):
        with pytest.raises(SpoiledPack):
            reader(raw)


def some(sequence: Sequence[object]) -> None:
    """Raise SpoiledPack for an empty list, in which its reader sees no fault."""
    if not sequence:
        raise SpoiledPack("log", "no line")


def test_threat_118_a_manifest_in_another_form_is_refused_although_it_says_the_same(
    scene: Scene, tmp_path: Path
) -> None:
    pack = opened(scene.sent, tmp_path)

    for other in (pack.manifest_bytes + b"\n", pack.manifest_bytes.replace(b'": "', b'":"', 1)):
        with pytest.raises(SpoiledPack, match="one form"):
            Manifest.from_bytes(other)


def test_a_small_member_that_is_too_large_is_not_read_and_a_part_that_changes_stops_the_writing(
    tmp_path: Path,
) -> None:
    versions = iter([b"one", b"two"])
    changing = PackPart(name="a", media="text/plain", open=lambda: io.BytesIO(next(versions)))

    with pytest.raises(Exception, match="was changed while the pack was written"):
        b"".join(prepare([changing], WORDS, SIGNER).pieces())

    pack = opened(zip_bytes({"story.json": b"x" * 1000}), tmp_path)

    with pytest.raises(SpoiledPack, match="larger than"):
        pack.read("story.json", 999)


def test_a_large_member_is_never_held_entirely_in_memory(tmp_path: Path) -> None:
    """100 MB go through the writer and the reader in pieces."""
    source, target = tmp_path / "large", tmp_path / "pack.zip"
    with source.open("wb") as sparse:
        sparse.truncate(100 * 1024 * 1024)
    tracemalloc.start()
    try:
        large = PackPart(name="packets/large.edxml", media="application/xml", open=lambda: source.open("rb"))
        ready = prepare([large], WORDS, SIGNER)
        with target.open("wb") as file:
            file.writelines(ready.pieces())
        pack = pack_file.read_pack(target)
        total = sum(map(len, pack.pieces("packets/large.edxml")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == 100 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_a_pack_unpacks_to_what_the_manifest_names(scene: Scene, tmp_path: Path) -> None:
    members_by_name = unpacked(scene.sent, tmp_path)

    assert {"index.html", "story.json", "log/leaves.jsonl", "log/consistency.jsonl"} <= members_by_name.keys()
    assert sum(name.startswith("packets/") for name in members_by_name) == 3
    assert sum(name.startswith("certificates/") for name in members_by_name) == 3
