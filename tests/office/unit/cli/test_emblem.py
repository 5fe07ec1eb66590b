"""The emblem of an agency at the command line: given as a file, printed on books, lists and reports, taken away."""

from __future__ import annotations

from pathlib import Path

from tests.office.support.printed_words import pictures
from tests.office.unit.cli.test_book import node as node
from tests.support import png
from tests.unit.cli.conftest import Terminal


def test_an_emblem_that_is_given_stands_on_what_is_printed(node: Terminal, tmp_path: Path) -> None:
    picture = tmp_path / "quoc-huy.png"
    picture.write_bytes(png.picture())
    small = tmp_path / "small.png"
    small.write_bytes(png.picture(20, 20))

    accepted = node.type("agency", "profile", "emblem", picture, "--yes", "-o", "json")
    refused = node.type("agency", "profile", "emblem", small, "--yes", "--lang", "en")
    rows = node.type("agency", "profile", "show", "-o", "json").json["data"]
    for words in (
        ("book", "export", "incoming", tmp_path / "book.pdf"),
        ("book", "export", "incoming", tmp_path / "book.html"),
        ("book", "file-list", tmp_path / "files.pdf"),
        ("report", "export", "incoming", tmp_path / "report.pdf"),
    ):
        assert node.type(*words).code == 0

    assert accepted.code == 0, accepted.err
    assert (refused.code, "64" in refused.err) == (4, True)
    (row,) = (row for row in rows if row["setting"] == "emblem")
    assert (row["value"], row["chosen"]) == (accepted.json["id"], True)
    for name in ("book", "files", "report"):
        assert pictures((tmp_path / f"{name}.pdf").read_bytes()) == [(15, 15)]
    assert '<img src="data:image/png;base64,iVBOR' in (tmp_path / "book.html").read_text(encoding="utf-8")

    assert node.type("agency", "profile", "set", "emblem", "", "--yes").code == 0
    assert node.type("report", "export", "incoming", tmp_path / "later.pdf").code == 0
    assert pictures((tmp_path / "later.pdf").read_bytes()) == []
