"""POST /messages:read: a signed PDF in, the fields of a form out, nothing kept."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import FormData

from gateway.domain.account import ApiScope
from tests.support import letters
from tests.support.api import DEPARTMENT, PROVINCE, Answer, Door

LETTER = next(each for each in letters.samples() if each.name == "letter")


def parts(*files: tuple[str, str, bytes]) -> FormData:
    data = FormData(quote_fields=False)
    for field, name, content in files:
        data.add_field(field, io.BytesIO(content), filename=name, content_type="application/octet-stream")
    return data


async def read(door: Door, *files: tuple[str, str, bytes], **more: str) -> Answer:
    return await door.ask("POST", "/messages:read", data=parts(*files), headers=more)


async def test_the_fields_of_a_signed_pdf_are_told_with_how_sure_they_are(door: Door) -> None:
    answer = await read(door, ("lead", "118.pdf", LETTER.pdf))

    assert answer.status == 200, str(answer)
    told = answer.json
    found = {name: (one["value"], one["sure"]) for name, one in told["fields"].items()}
    assert found["number"] == ("118", "sure")
    assert found["symbol"] == ("STN-VP", "sure")
    assert found["date"] == ("2026-11-18", "sure")
    assert found["type"] == ("cong_van", "sure")
    assert found["signer_name"] == ("Nguyễn Văn Mẫu", "sure")
    assert found["pages"] == (1, "sure")
    # The node of this test trusts nobody's signatures on PDFs.
    assert found["signed_at"] == ("2026-11-18T10:00:00+07:00", "doubtful")
    assert told["fields"]["signed_at"]["why_text"] == "chữ ký chưa được xác minh"
    assert (told["complete"], told["signatures"]) == (False, "unknown")
    assert told["fields"]["number"]["place"]["page"] == 1


async def test_recipients_are_offered_as_codes(door: Door) -> None:
    letter = replace(
        letters.LETTER,
        recipients=("- UBND tỉnh Sao Mai;", f"- {DEPARTMENT};", "- Ban quản lý số chín;", "- Lưu: VT."),
    )
    answer = await read(door, ("lead", "a.pdf", letters.paper([letters.page(letter)])))

    assert answer.status == 200, str(answer)
    found = [(each["kind"], [one["code"] for one in each["agencies"]]) for each in answer.json["recipients"]]
    assert found == [("named", [PROVINCE]), ("named", [DEPARTMENT]), ("unknown", []), ("filed", [])]
    assert [each["settled"] for each in answer.json["recipients"]] == [True, True, False, True]


async def test_nothing_is_kept(door: Door, tmp_path: Path) -> None:
    before = sorted(
        str(each) for each in (tmp_path / "node").rglob("*") if each.is_file() and "content" in each.parts
    )
    await read(door, ("lead", "118.pdf", LETTER.pdf))
    after = sorted(
        str(each) for each in (tmp_path / "node").rglob("*") if each.is_file() and "content" in each.parts
    )

    assert after == before
    assert (await door.ask("GET", "/messages")).json["data"] == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ((), "file-absent"),
        ((("source", "a.pdf", b"%PDF-"),), "no-role"),
        ((("lead", "a.pdf", LETTER.pdf), ("lead", "b.pdf", LETTER.pdf)), "too-many-parts"),
    ],
)
async def test_exactly_one_file_is_taken(
    door: Door, files: tuple[tuple[str, str, bytes], ...], fault: str
) -> None:
    data = parts(*files) if files else b"--b--\r\n"
    headers = {} if files else {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await door.ask("POST", "/messages:read", data=data, headers=headers)

    assert answer.status == 400, str(answer)
    assert {each["code"] for each in answer.json["errors"]} == {fault}


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", b"xin chao"), ("a.pdf", b"%PDF-1.7 broken"), ("a.pdf", b"")]
)
async def test_what_is_no_pdf_is_refused_with_its_reason(door: Door, name: str, content: bytes) -> None:
    answer = await read(door, ("lead", name, content))

    assert answer.status == 422, str(answer)
    assert answer.json["errors"]


async def test_it_needs_the_right_to_send(door: Door) -> None:
    key = await door.key(DEPARTMENT, scopes=[ApiScope.MESSAGES_READ])

    answer = await door.ask("POST", "/messages:read", key=key, data=parts(("lead", "118.pdf", LETTER.pdf)))

    assert answer.status == 403
