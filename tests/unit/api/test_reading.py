"""POST /messages:read takes a signed PDF, answers with the fields of a form, and keeps nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import FormData

from gateway.domain.account import ApiScope
from tests.support import letters
from tests.support.api import DEPARTMENT, PROVINCE, Answer, Door


@pytest.fixture
def letter() -> bytes:
    """Return a signed PDF."""
    return next(sample for sample in letters.samples() if sample.name == "letter").pdf


def parts(*files: tuple[str, str, bytes]) -> FormData:
    data = FormData(quote_fields=False)
    for field, name, content in files:
        data.add_field(field, io.BytesIO(content), filename=name, content_type="application/octet-stream")
    return data


async def read(door: Door, *files: tuple[str, str, bytes], **more: str) -> Answer:
    return await door.ask("POST", "/messages:read", data=parts(*files), headers=more)


async def test_the_fields_of_a_signed_pdf_are_told_with_how_sure_they_are(
    door: Door, letter: bytes, tmp_path: Path
) -> None:
    """The node keeps none of it, and the caller needs the right to send."""

    def content() -> set[Path]:
        return {path for path in (tmp_path / "node").rglob("content/**/*") if path.is_file()}

    content_before = content()
    answer = await read(door, ("lead", "118.pdf", letter))

    assert answer.status == 200, str(answer)
    reading = answer.json
    fields = {name: (field["value"], field["sure"]) for name, field in reading["fields"].items()}
    assert fields["number"] == ("118", "sure")
    assert fields["symbol"] == ("STN-VP", "sure")
    assert fields["date"] == ("2026-11-18", "sure")
    assert fields["type"] == ("cong_van", "sure")
    assert fields["signer_name"] == ("Nguyễn Văn Mẫu", "sure")
    assert fields["pages"] == (1, "sure")
    # The node of this test trusts no signatures on PDFs.
    assert fields["signed_at"] == ("2026-11-18T10:00:00+07:00", "doubtful")
    assert reading["fields"]["signed_at"]["why_text"] == "chữ ký chưa được xác minh"
    assert (reading["complete"], reading["signatures"]) == (False, "unknown")
    assert reading["fields"]["number"]["place"]["page"] == 1
    assert content() == content_before
    assert (await door.ask("GET", "/messages")).json["data"] == []
    key = await door.key(DEPARTMENT, scopes=[ApiScope.MESSAGES_READ])
    data = parts(("lead", "118.pdf", letter))
    assert (await door.ask("POST", "/messages:read", key=key, data=data)).status == 403


async def test_recipients_are_offered_as_codes(door: Door) -> None:
    printed = replace(
        letters.LETTER,
        recipients=("- UBND tỉnh Sao Mai;", f"- {DEPARTMENT};", "- Ban quản lý số chín;", "- Lưu: VT."),
    )
    answer = await read(door, ("lead", "a.pdf", letters.paper([letters.page(printed)])))

    assert answer.status == 200, str(answer)
    recipients = [(r["kind"], [a["code"] for a in r["agencies"]]) for r in answer.json["recipients"]]
    assert recipients == [("named", [PROVINCE]), ("named", [DEPARTMENT]), ("unknown", []), ("filed", [])]
    assert [recipient["settled"] for recipient in answer.json["recipients"]] == [True, True, False, True]


async def test_exactly_one_pdf_is_accepted(door: Door, letter: bytes) -> None:
    two = (("lead", "a.pdf", letter), ("lead", "b.pdf", letter))
    for answer, fault in (
        (await read(door, ("source", "a.pdf", b"%PDF-")), "no-role"),
        (await read(door, *two), "too-many-parts"),
        (
            await door.ask(
                "POST",
                "/messages:read",
                data=b"--b--\r\n",
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            ),
            "file-absent",
        ),
    ):
        assert answer.status == 400, str(answer)
        assert {error["code"] for error in answer.json["errors"]} == {fault}
    for name, content in (("a.txt", b"xin chao"), ("a.pdf", b"%PDF-1.7 broken"), ("a.pdf", b"")):
        answer = await read(door, ("lead", name, content))
        assert answer.status == 422, str(answer)
        assert answer.json["errors"]
