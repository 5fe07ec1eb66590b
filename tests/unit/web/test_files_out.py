"""What a browser is told of a file: shown only where it is a PDF, never run, never framed by others, whatever its name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.web.files_out import Content, disposition, headers


async def nothing() -> AsyncIterator[bytes]:
    yield b""


def content(found_type: str, name: str = "van-ban.pdf") -> Content:
    return Content(name=name, found_type=found_type, pieces=nothing())


@pytest.mark.parametrize("found_type", ["html", "svg", "xml", "docx", "unknown", ""])
def test_what_is_no_pdf_by_its_content_is_only_a_download(found_type: str) -> None:
    told = headers(content(found_type), inline=True)

    assert told["Content-Disposition"].startswith("attachment;")
    assert told["Content-Type"] == "application/octet-stream"
    assert told["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert told["X-Content-Type-Options"] == "nosniff"


def test_a_pdf_is_shown_on_request_in_pages_of_this_node_alone() -> None:
    shown, kept = (headers(content("pdf"), inline=each) for each in (True, False))

    assert shown["Content-Disposition"].startswith("inline;")
    assert shown["Content-Security-Policy"].startswith("default-src 'none';")
    assert "frame-ancestors 'self'" in shown["Content-Security-Policy"]
    assert "script-src" not in shown["Content-Security-Policy"]
    assert kept["Content-Disposition"].startswith("attachment;")
    assert {each["Cache-Control"] for each in (shown, kept)} == {"no-store"}


@pytest.mark.parametrize(
    "name", ['a"; filename="b.html', "a\r\nSet-Cookie: x=1", "thông báo.pdf", "\u202efdp.exe"]
)
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    told = disposition(name)

    assert told.isascii()
    assert "\r" not in told
    assert "\n" not in told
    assert told.count('"') == 2
