"""`gateway read`: the fields of a PDF, for people and for programs, without a node."""

from __future__ import annotations

from pathlib import Path

from tests.support import letters, pdf_pki
from tests.unit.cli.conftest import Terminal


def test_with_a_trust_folder_everything_is_sure_and_without_one_people_see_why_it_is_not(
    terminal: Terminal, tmp_path: Path
) -> None:
    file, trust = tmp_path / "57.pdf", pdf_pki.folder(tmp_path / "trust" / "pdf").parent
    file.write_bytes(next(sample for sample in letters.samples() if sample.name == "submission").pdf)

    run = terminal.type("read", file, "--trust", trust, "-o", "json")
    assert run.code == 0, run.err
    fields = {name: field["value"] for name, field in run.json["fields"].items()}
    assert (run.json["complete"], run.json["signatures"]) == (True, "valid")
    assert (fields["number"], fields["symbol"], fields["type"]) == ("57", "TTr-STN", "to_trinh")
    assert fields["signed_at"] == "2026-11-18T10:00:00+07:00"
    assert [recipient["kind"] for recipient in run.json["recipients"]] == ["pointer", "person", "filed"]

    for_people = terminal.type("read", file)
    assert for_people.code == 0, for_people.err
    lines = for_people.out.splitlines()
    assert "✓ Số: 57" in lines
    assert "✓ Loại văn bản: Tờ trình" in lines
    assert "? Thời gian ký: 2026-11-18T10:00:00+07:00  (chữ ký chưa được xác minh)" in lines
    assert "· Quyền hạn ký:" in lines


def test_what_is_no_pdf_is_told_so(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "text.pdf").write_bytes(b"xin chao")
    for name in ("text.pdf", "none.pdf"):
        run = terminal.type("read", tmp_path / name, "--lang", "en")
        assert run.code == 3
        assert name in run.err
