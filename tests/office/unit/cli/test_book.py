"""The register books at the command line, on a real node: entered by hand, shown, written out, struck through."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway.domain.wall_clock import local
from tests.support import pki
from tests.support.packets import PDF
from tests.unit.cli.conftest import Terminal

LETTER = ("--sender", "Hợp tác xã Một", "--subject", "Đề nghị sửa đường")


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    run = terminal.type("init", "--code", "Z92.01", "--name", "Office", "--numbering", "B", "--yes")
    assert run.code == 0, run.err
    anchors = tmp_path / "data" / "trust" / "ca.pem"
    anchors.parent.mkdir(exist_ok=True)
    anchors.write_bytes(pki.root().certificate.public_bytes(Encoding.PEM))
    return terminal


def test_mail_by_hand_stands_in_the_book_and_in_its_files(node: Terminal, tmp_path: Path) -> None:
    scan = tmp_path / "letter.pdf"
    scan.write_bytes(PDF)
    year = local(SystemClock().now()).year
    day = local(SystemClock().now()).strftime("%d/%m/%Y")

    entered = node.type("book", "enter", *LETTER, "--scan", scan, "--yes", "-o", "json")
    late = node.type(
        "book", "catch-up", *LETTER, "--received", day, "--why", "Mất điện", "--yes", "-o", "json"
    )
    dry = node.type("book", "enter", *LETTER, "--dry-run")
    struck = node.type("book", "strike", late.json["id"], "--why", "Nhập nhầm", "--yes", "-o", "json")
    book = node.type("book", "show", "incoming", "-o", "json")
    table = node.type("book", "show", "incoming")
    first = node.type("book", "show", "incoming", "--limit", "1")

    assert (entered.json["number"], entered.json["year"], late.json["number"]) == ("1", year, "2")
    assert (dry.code, dry.out) == (0, "")
    assert struck.json["struck_reason"] == "Nhập nhầm"
    assert [(line["number"], line["struck"]) for line in book.json["data"]] == [("1", False), ("2", True)]
    assert book.json["summary"]["missing"] == 0
    assert "Liên tục 1–2, không thiếu số" in table.err
    assert "Hợp tác xã Một" in table.out
    assert "--after 1" in first.err


def test_a_book_is_written_in_each_form_and_over_no_other_file(node: Terminal, tmp_path: Path) -> None:
    assert node.type("book", "enter", *LETTER, "--yes").code == 0
    runs = {
        ending: node.type("book", "export", "incoming", tmp_path / f"book.{ending}", "-o", "json")
        for ending in ("xlsx", "csv", "html", "pdf")
    }

    assert {run.json["lines"] for run in runs.values()} == {1}
    assert len({run.json["digest"] for run in runs.values()}) == 1
    assert zipfile.is_zipfile(tmp_path / "book.xlsx")
    assert (tmp_path / "book.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert "Đề nghị sửa đường" in (tmp_path / "book.html").read_text(encoding="utf-8")
    assert node.type("book", "export", "incoming", tmp_path / "book.csv").code == 2
    assert (tmp_path / "book.pdf").read_bytes().startswith(b"%PDF-")
    assert node.type("book", "export", "incoming", tmp_path / "book.doc").code == 2
    days = ("--from", "2026-02-01", "--to", "2026-01-01")
    assert node.type("book", "export", "incoming", tmp_path / "x.csv", *days).code == 4
    assert not (tmp_path / "x.csv").exists()


def test_outgoing_paper_takes_a_number_once(node: Terminal) -> None:
    day = local(SystemClock().now()).strftime("%d/%m/%Y")
    number = ("--number", "15", "--symbol", "UBND-VP", "--date", day)
    words = (*number, "--type", "Công văn", "--subject", "Trả lời")
    more = ("--signer", "Người ký", "--to", "Hợp tác xã Một", "--to", "Hợp tác xã Hai", "--yes")

    letter = node.type("book", "sent", *words, *more, "-o", "json")
    repeat = node.type("book", "sent", *words, *more)
    struck = node.type("book", "strike", letter.json["id"], "--why", "Không gửi", "--yes", "-o", "json")
    (line,) = node.type("book", "show", "outgoing", "-o", "json").json["data"]

    assert letter.json["number"] == "15/UBND-VP"
    assert repeat.code != 0
    assert "15/UBND-VP" in repeat.err
    assert struck.json["struck_reason"] == "Không gửi"
    assert (line["recipients"], line["struck"]) == ("Hợp tác xã Một; Hợp tác xã Hai", True)


def test_what_may_not_be_entered_is_refused_with_its_reasons(node: Terminal) -> None:
    with_number = node.type("book", "enter", *LETTER, "--register-no", "7", "--yes")
    early = node.type("book", "enter", *LETTER, "--received", "2020-01-01", "--yes")

    assert (with_number.code, early.code) == (4, 4)
    assert "số đến" in with_number.err
    assert "Ngày đến" in early.err


def test_a_letter_on_paper_is_on_the_list_until_it_was_handed_over(node: Terminal, tmp_path: Path) -> None:
    day = local(SystemClock().now()).strftime("%d/%m/%Y")
    file = tmp_path / "letter.pdf"
    file.write_bytes(PDF)
    meta = tmp_path / "letter.json"
    meta.write_text('{"delivery_mode": "paper"}', encoding="utf-8")
    number = ("--number", "15", "--symbol", "VP", "--date", day)
    flags = (*number, "--type", "cong_van", "--subject", "Trả lời đơn")
    to = ("--to", "Z91.02", "--signer", "Trần Văn Một", "--no-reply", "--meta", meta)

    sent = node.type("send", file, *flags, *to, "--yes", "-o", "json")
    document = node.type("outbox", "show", sent.json["id"], "-o", "json")
    endless = node.type(
        "send", file, *flags[2:], "--number", "16", *to, "--wait", "sent", "--timeout", "5m", "--yes"
    )
    node.type("outbox", "cancel", "16/VP", "--yes")
    waiting = node.type("book", "paper", "-o", "json")
    dry_run = node.type("book", "hand-over", "15/VP", "--means", "post", "--dry-run")
    refused = node.type("book", "hand-over", "15/VP", "--means", "other", "--yes")
    recorded = node.type(
        "book", "hand-over", "15/VP", "--means", "post", "--note", "RR 12", "--yes", "-o", "json"
    )
    paper_left = node.type("book", "paper", "-o", "json")
    handed = node.type("book", "paper", "--from", day)

    assert (sent.code, sent.json["state"], document.json["state"]) == (0, "paper", "paper"), sent.err
    assert [(row["number"], row["to"], row["printed"]) for row in waiting.json["data"]] == [
        ("15/VP", "Z91.02", ["letter.pdf"])
    ]
    assert (dry_run.code, refused.code, recorded.code) == (0, 4, 0)
    assert (endless.code, paper_left.json["data"]) == (4, [])
    assert "Bưu điện" in handed.out


def test_a_report_is_shown_to_people_with_its_totals_and_to_programs_beside_its_lines(node: Terminal) -> None:
    table = node.type("report", "show", "incoming", "--by", "type")
    data = node.type("report", "show", "incoming", "--by", "type", "-o", "json").json

    assert table.code == 0, table.err
    assert "Tổng cộng" in table.out
    assert (data["data"], data["total"]["documents"], data["before"]["documents"]) == ([], 0, 0)
