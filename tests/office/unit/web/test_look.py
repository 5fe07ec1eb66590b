"""Parts of the pages: our own files alone in static/, every foreign file in the tree with its origin beside it, the
tokens of the stylesheet as docs/pages.md names them, and the agency's emblem as a picture that can do nothing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from gateway.errors import Misconfigured
from gateway.settings.reading import load
from gateway.trust.pdf_signing.appearance import FONT
from gateway_office.web import icons
from gateway_office.web.answers import SCRIPTS, STATIC

ROOT = Path(icons.__file__).parent
TREE = ROOT.parents[2]
STYLE = (ROOT / "static" / "gateway.css").read_text(encoding="utf-8")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
SVG = '<?xml version="1.0"?>\n<!-- huy hiệu -->\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'.encode()
FOREIGN = re.compile(r"copyright|licen[cs]e|@version|sourceMappingURL|https?://(?!www\.w3\.org/)", re.I)


def test_static_holds_our_own_code_alone() -> None:
    assert {path.name for path in (ROOT / "static").iterdir()} == {*STATIC, *SCRIPTS}
    for name in (*STATIC, *SCRIPTS):
        text = (ROOT / "static" / name).read_text(encoding="utf-8")
        assert not FOREIGN.search(text), name


def test_foreign_files_have_origin_version_and_licence_beside_them() -> None:
    """Typefaces, the one kind of foreign file in the program."""
    fonts = [
        path for path in (TREE / "gateway").rglob("*") if path.suffix in (".ttf", ".otf", ".woff", ".woff2")
    ]
    assert fonts == [FONT]
    origin = (FONT.parent / "ORIGIN.md").read_text(encoding="utf-8")
    assert FONT.name in origin
    assert hashlib.sha256(FONT.read_bytes()).hexdigest() in origin
    assert re.search(r"\| \d+\.\d+\.\d+ \|", origin)
    assert (FONT.parent / "OFL.txt").is_file()


def test_the_page_names_every_token_and_every_token_is_used() -> None:
    head, _, rules = STYLE.partition("* { box-sizing")
    tokens = set(re.findall(r"^ +(--[a-z-]+):", head, re.M))
    page = (TREE / "docs" / "pages.md").read_text(encoding="utf-8")

    assert len(tokens) > 30
    assert {token for token in tokens if f"var({token})" not in STYLE} == set()
    assert set(re.findall(r"`(--[a-z-]+)`", page)) <= tokens
    # A section may name what it alone uses; the width of the pane is the person's.
    own = set(re.findall(r"(--[a-z-]+):", rules)) | {"--pane"}
    assert set(re.findall(r"var\((--[a-z-]+)\)", rules)) <= tokens | own
    named_in_dark = re.findall(r"^    (--[a-z-]+):", head, re.M)
    assert set(named_in_dark) <= tokens


def test_an_emblem_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "huy-hieu.bin"
    for body, kind in (
        (PNG, "image/png"),
        (SVG, "image/svg+xml"),
        (b"\xef\xbb\xbf" + SVG, "image/svg+xml"),
    ):
        file.write_bytes(body)
        assert icons.read_emblem(file).media_type == kind


def test_what_is_no_small_picture_stops_the_start_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "huy-hieu.svg"
    for body in (
        b"",
        b"<html><svg></svg></html>",
        b"GIF89a",
        b"<svgx>",
        PNG + b"\0" * icons.MOST_EMBLEM_BYTES,
    ):
        file.write_bytes(body)
        with pytest.raises(Misconfigured, match=r"pages\.emblem.*huy-hieu\.svg"):
            icons.read_emblem(file)
    with pytest.raises(Misconfigured, match=r"pages\.emblem"):
        icons.read_emblem(tmp_path / "none.svg")


async def test_an_emblem_opened_by_itself_runs_and_loads_nothing(tmp_path: Path) -> None:
    file = tmp_path / "huy-hieu.svg"
    file.write_bytes(SVG)
    picture = icons.read_emblem(file)
    app = web.Application()
    icons.add_emblem(app.router, picture)
    runner = web.AppRunner(app)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0)
    await place.start()
    try:
        async with (
            ClientSession() as guest,
            guest.get(f"{place.name.rstrip('/')}{picture.address}") as answer,
        ):
            assert await answer.read() == SVG
            headers = answer.headers
    finally:
        await runner.cleanup()

    assert headers["Content-Type"] == "image/svg+xml"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert {"default-src 'none'", "sandbox"} <= set(policy)
    assert not [part for part in policy if "script" in part or "allow" in part]


def test_the_setting_names_a_file_from_where_it_is_written(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[pages]\nemblem = "huy-hieu.svg"\n', encoding="utf-8")

    assert load(config, {}).pages.emblem == tmp_path / "huy-hieu.svg"
