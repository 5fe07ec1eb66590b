"""Files of records over the API: the files of a year, and the documents in one, as lists to download."""

from __future__ import annotations

import io
import zipfile

from tests.office.support.api import COMMUNE, OfficeDoor
from tests.office.support.printed_words import printed
from tests.unit.api.test_messages import sent

FILE = {"organ": "Z91.07", "year": 2026, "notation": "15.TH"}
OTHER = FILE | {"notation": "16.TH"}
CODE = "Z91.07.2026.15.TH"


async def test_documents_tell_the_files_of_a_year_and_the_documents_in_one(door: OfficeDoor) -> None:
    for number, code in (("15", FILE), ("16", FILE), ("17", OTHER), ("18", None)):
        more = {"file_code": code} if code else {"file_code": None}
        await sent(door, number, recipients=[{"code": COMMUNE, "role": "to_act"}], **more)

    files = (await door.ask("GET", "/registers/files")).json["data"]
    earlier = (await door.ask("GET", "/registers/files?year=2025")).json["data"]
    catalogue = await door.ask("GET", "/registers/files/file")
    file_index = await door.ask("GET", f"/registers/files/file?code={CODE}")
    book = await door.ask("GET", f"/registers/files/file?code={CODE}&format=xlsx")
    unknown = await door.ask("GET", "/registers/files/file?code=Z91.07.2026.99")

    assert [(f["code"], f["documents"]) for f in files] == [(CODE, 2), ("Z91.07.2026.16.TH", 1)]
    assert (earlier, unknown.status) == ([], 404)
    for words in ("DANH MỤC", "Danh mục hồ sơ", CODE, "2 văn bản", "Thời hạn bảo quản"):
        assert words.casefold() in printed(catalogue.raw).casefold()
    text = printed(file_index.raw)
    for words in ("Mục lục văn bản trong hồ sơ", CODE, "15/", "16/", "có 2 dòng", "Tờ số"):
        assert words.casefold() in text.casefold(), text
    assert "17/" not in text
    assert "danh-muc-ho-so-2026.pdf" in catalogue.headers["Content-Disposition"]
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(book.raw)).namelist()
