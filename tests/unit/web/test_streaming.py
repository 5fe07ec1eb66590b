"""What stored files may do to a browser: nothing (threats 77 to 79)."""

from __future__ import annotations

import pytest

from gateway.web.streaming import File, disposition, headers

HOSTILE = (
    'a".pdf; filename="b.html',
    "a\r\nSet-Cookie: x=1.pdf",
    "văn bản mật.pdf",
    "../../etc/passwd",
    "\u202efdp.exe",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("inline", [False, True])
def test_no_name_breaks_out_of_its_header(name: str, inline: bool) -> None:
    made = disposition(name, inline=inline)

    assert made.isascii()
    assert made.isprintable()
    assert made.count('"') == 2
    assert made.split(";")[0] == ("inline" if inline else "attachment")
    assert "/" not in made.split('"')[1]


@pytest.mark.parametrize("found", ["html", "text/html", "svg", "image/svg+xml", "js", "exe", "", "docx"])
def test_a_type_that_a_browser_would_run_is_only_bytes(found: str) -> None:
    made = headers(File(name="a", content_type=found))

    assert made["Content-Type"] == "application/octet-stream"
    assert made["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert made["X-Content-Type-Options"] == "nosniff"


def test_a_pdf_in_the_browser_may_run_no_script_and_stand_in_no_foreign_frame() -> None:
    made = headers(File(name="a.pdf", content_type="pdf"), inline=True)

    policy = dict(each.strip().partition(" ")[::2] for each in made["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert "script-src" not in policy
