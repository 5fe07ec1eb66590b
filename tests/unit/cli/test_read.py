"""`gateway read`: the fields of a PDF, for people and for programs, without a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import letters, pdf_pki
from tests.unit.cli.conftest import Terminal

SAMPLE = next(each for each in letters.samples() if each.name == "submission")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "57.pdf"
    place.write_bytes(SAMPLE.pdf)
    return place


def test_with_a_trust_folder_everything_is_sure(terminal: Terminal, file: Path, tmp_path: Path) -> None:
    said = terminal.type(
        "read", file, "--trust", pdf_pki.folder(tmp_path / "trust" / "pdf").parent, "-o", "json"
    )

    assert said.code == 0, said.err
    found = {name: one["value"] for name, one in said.json["fields"].items()}
    assert (said.json["complete"], said.json["signatures"]) == (True, "valid")
    assert (found["number"], found["symbol"], found["type"]) == ("57", "TTr-STN", "to_trinh")
    assert found["signed_at"] == "2026-11-18T10:00:00+07:00"
    assert [each["kind"] for each in said.json["recipients"]] == ["pointer", "person", "filed"]


def test_people_see_a_mark_before_each_field_and_why_it_is_doubtful(terminal: Terminal, file: Path) -> None:
    said = terminal.type("read", file)

    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert "✓ Số: 57" in lines
    assert "✓ Loại văn bản: Tờ trình" in lines
    assert "? Thời gian ký: 2026-11-18T10:00:00+07:00  (chữ ký chưa được xác minh)" in lines
    assert "· Quyền hạn ký:" in lines


@pytest.mark.parametrize("content", [None, b"xin chao"])
def test_what_is_no_pdf_is_told_so(terminal: Terminal, tmp_path: Path, content: bytes | None) -> None:
    place = tmp_path / "a.pdf"
    if content is not None:
        place.write_bytes(content)

    said = terminal.type("read", place, "--lang", "en")

    assert said.code == 3
    assert "a.pdf" in said.err
