"""Packages for the historical archive (R103, hand-over): what is in one, and each fault of a broken one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.domain.archive_package import (
    DESCRIPTION,
    DIGESTS,
    METS,
    PART,
    PRESERVATION,
    SIGNATURE,
    PackageFault,
)
from gateway.edxml import archive_metadata, schema
from gateway.errors import NotFound
from gateway.ops.archive_package import check
from tests.support import archive_packages
from tests.support.archive_packages import SIGNER, changed, members_of
from tests.support.cases import Cases

DOCUMENTS = [[("Quyết định.pdf", b"first"), ("Phụ lục.pdf", b"second")], [("Giấy mời.pdf", b"third")]]
FIRST = f"{PART}/data/00001/01-quyet-dinh.pdf"
TRUSTED = (SIGNER.public_key,)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)
_files = st.lists(st.tuples(_texts, st.binary(max_size=2000)), max_size=4)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    archive_packages.make(tmp_path / "whole.tar", DOCUMENTS)
    return tmp_path / "whole.tar"


@given(title=_texts, documents=st.lists(_files, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_titles_and_names_make_a_whole_package_with_the_files_as_they_came(
    tmp_path: Path, title: str, documents: list[list[tuple[str, bytes]]]
) -> None:
    target = tmp_path / "a.tar"
    summary = archive_packages.make(target, documents, title)

    report = check(target, TRUSTED)
    members = members_of(target)
    assert (report.verdict, report.faults) == ("valid", [])
    assert (report.documents, report.files) == (summary.documents, summary.files)
    data = [content for path, content in sorted(members.items()) if path.startswith(f"{PART}/data/")]
    assert data == [content for files in documents for _, content in files]
    rules = etree.XMLSchema(etree.parse(schema.folder() / "archive-records.xsd"))
    rules.assertValid(etree.fromstring(members[DESCRIPTION]))
    for path in members:
        assert path.isascii()
        assert len(path.rpartition("/")[2]) < 80


def test_equal_documents_make_equal_bytes(tmp_path: Path) -> None:
    files = tmp_path / "a.tar", tmp_path / "b.tar"
    summaries = [archive_packages.make(file, DOCUMENTS) for file in files]

    assert files[0].read_bytes() == files[1].read_bytes()
    assert summaries[0] == summaries[1]
    assert summaries[0].size == files[0].stat().st_size


def test_names_that_the_files_came_with_stand_in_premis_and_in_the_description(package: Path) -> None:
    members = members_of(package)
    premis = etree.fromstring(members[f"{PART}/{PRESERVATION}"])
    names = [element.text for element in premis.iter("{*}originalName")]

    assert names == ["Quyết định.pdf", "Phụ lục.pdf", "Giấy mời.pdf"]
    assert [file.name for file in archive_metadata.read_description(members[DESCRIPTION])[2]] == names
    assert members[FIRST] == b"first"


def test_the_list_of_digests_is_one_that_sha256sum_reads_and_names_each_file(package: Path) -> None:
    members = members_of(package)
    listed = [line.split("  ")[1] for line in members[DIGESTS].decode().splitlines()]

    assert sorted({*listed, DIGESTS, SIGNATURE}) == sorted(members)


def _flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def _removed(content: bytes) -> None:
    return None


def _of_first(digest: str) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(
        b'CHECKSUM="' + _FIRST_DIGEST.encode(), b'CHECKSUM="' + digest.encode()
    )


_FIRST_DIGEST = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"  # of the word first


def test_each_broken_package_is_found_with_the_member_and_the_reason(
    package: Path, tmp_path: Path, cases: Cases
) -> None:
    """Damage on the way breaks the list of digests; an error that its maker signed breaks METS or description."""
    part_mets = f"{PART}/{METS}"
    one_more = (b"<DocTotal>2<", b"<DocTotal>3<")
    cases_of_fault: dict[
        str, tuple[dict[str, Callable[[bytes], bytes | None]], bool, set[tuple[str, str]]]
    ] = {
        "flipped byte": (
            {FIRST: _flipped},
            False,
            {("digest", FIRST), ("mets", FIRST), ("described", FIRST)},
        ),
        "missing file": ({FIRST: _removed}, False, {("missing", FIRST)}),
        "wrong digest in the list": (
            {DIGESTS: lambda c: c.replace(_FIRST_DIGEST.encode(), b"0" * 64)},
            False,
            {("digest", FIRST), ("signature", SIGNATURE)},
        ),
        "flipped byte, signed": ({FIRST: _flipped}, True, {("mets", FIRST), ("described", FIRST)}),
        "missing file, signed": ({FIRST: _removed}, True, {("missing", FIRST)}),
        "wrong digest in METS, signed": (
            {part_mets: _of_first("0" * 64)},
            True,
            {("mets", FIRST), ("mets", part_mets)},
        ),
        "wrong count, signed": (
            {DESCRIPTION: lambda c: c.replace(*one_more)},
            True,
            {("count", DESCRIPTION), ("mets", DESCRIPTION)},
        ),
        "no METS": ({METS: _removed}, True, {("metadata", METS)}),
        "METS is no XML": ({METS: lambda c: b"<" + c}, True, {("metadata", METS)}),
        "no signature": ({SIGNATURE: _removed}, False, {("signature", SIGNATURE)}),
        "no list": (
            {DIGESTS: _removed, SIGNATURE: _removed},
            False,
            {("list", DIGESTS), ("signature", SIGNATURE)},
        ),
    }

    def try_fault(name: str) -> None:
        changes, signs, expected = cases_of_fault[name]
        report = check(changed(package, tmp_path / "broken.tar", changes, signs=signs), TRUSTED)
        found_faults = {(fault.reason, fault.member) for fault in report.faults}
        assert report.verdict == "invalid"
        assert expected <= found_faults

    cases.check_rows({name: name for name in cases_of_fault}, try_fault)


def test_a_package_that_states_another_number_of_documents_is_not_whole(tmp_path: Path) -> None:
    archive_packages.make(tmp_path / "a.tar", DOCUMENTS, count=3)

    assert check(tmp_path / "a.tar", TRUSTED).faults == [PackageFault(reason="count", member=DESCRIPTION)]


def test_a_file_that_nothing_names_is_found(package: Path, tmp_path: Path) -> None:
    stray = f"{PART}/data/00001/09-stray.pdf"
    with tarfile.open(package, "a:") as archive:
        info = tarfile.TarInfo(f"{archive_packages.ID}/{stray}")
        archive.addfile(info, io.BytesIO())

    faults = {(fault.reason, fault.member) for fault in check(package, TRUSTED).faults}

    assert faults == {("unlisted", stray), ("undescribed", stray)}


def test_members_that_would_be_written_elsewhere_are_refused(
    package: Path, tmp_path: Path, cases: Cases
) -> None:
    def try_member(info: tarfile.TarInfo) -> None:
        hostile = tmp_path / "hostile.tar"
        hostile.write_bytes(package.read_bytes())
        with tarfile.open(hostile, "a:") as archive:
            archive.addfile(info, io.BytesIO())
        assert [fault.reason for fault in check(hostile, TRUSTED).faults] == ["member"]

    link = tarfile.TarInfo(f"{archive_packages.ID}/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    names = (f"{archive_packages.ID}/../x", "/x", "other/x", f"{archive_packages.ID}/{METS}")
    cases.check_rows({"link": link, **{name: tarfile.TarInfo(name) for name in names}}, try_member)


def test_the_signer_counts_only_where_the_reader_trusts_its_key(package: Path) -> None:
    assert check(package).verdict == "unknown"
    assert check(package, [b"another key"]).verdict == "invalid"
    assert check(package, TRUSTED).verdict == "valid"


def test_what_is_no_package_is_a_fault_and_no_crash(package: Path, tmp_path: Path) -> None:
    raw = package.read_bytes()
    for content in (b"", b"text", raw[:2000], raw[: len(raw) // 2]):
        (tmp_path / "x").write_bytes(content)
        assert check(tmp_path / "x", TRUSTED).verdict == "invalid"
    with pytest.raises(NotFound):
        check(tmp_path / "none.tar")
