"""`gateway read`: the fields of a PDF, for people and for programs, without a node."""

from __future__ import annotations

from pathlib import Path

from tests.support import letters, pdf_pki
from tests.unit.cli.conftest import Terminal


def test_with_a_trust_folder_everything_is_sure_and_without_one_people_see_why_it_is_not(
    terminal: Terminal, tmp_path: Path
) -> None:
    file, trust = tmp_path / "57.pdf", pdf_pki.folder(tmp_path / "trust" / "pdf").parent
    file.write_bytes(next(each for each in letters.samples() if each.name == "submission").pdf)

    said = terminal.type("read", file, "--trust", trust, "-o", "json")
    assert said.code == 0, said.err
    found = {name: one["value"] for name, one in said.json["fields"].items()}
    assert (said.json["complete"], said.json["signatures"]) == (True, "valid")
    assert (found["number"], found["symbol"], found["type"]) == ("57", "TTr-STN", "to_trinh")
    assert found["signed_at"] == "2026-11-18T10:00:00+07:00"
    assert [each["kind"] for each in said.json["recipients"]] == ["pointer", "person", "filed"]

    shown = terminal.type("read", file)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert "✓ Số: 57" in lines
    assert "✓ Loại văn bản: Tờ trình" in lines
    assert "? Thời gian ký: 2026-11-18T10:00:00+07:00  (chữ ký chưa được xác minh)" in lines
    assert "· Quyền hạn ký:" in lines


def test_what_is_no_pdf_is_told_so(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "text.pdf").write_bytes(b"xin chao")
    for name in ("text.pdf", "none.pdf"):
        said = terminal.type("read", tmp_path / name, "--lang", "en")
        assert said.code == 3
        assert name in said.err
