"""Pictures and pages that are made to hurt what reads scans are refused within its limits, and the next scan is read."""

from __future__ import annotations

import io
import random
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.trust.apart import MB
from gateway.trust.page_drawing.drawer import DrawingLimits, ScanBox
from tests.hostile.test_pdf_layout import in_itself
from tests.support import png, scans
from tests.support.amounts import examples
from tests.support.cases import Cases
from tests.support.letters import LETTER
from tests.support.pdf_pages import assembled

# Generous for a busy machine; a page that takes longer is given up.
SECONDS = 20.0
_LETTER = scans.scanned_letter(LETTER, dots=150)
# Its head is read as the whole letter is, in a quarter of the time.
GOOD = scans.as_pdf(_LETTER.crop((0, 0, _LETTER.width, _LETTER.height // 4)))


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanBox]:
    limits = DrawingLimits(seconds=SECONDS, memory=768 * MB, start_seconds=100.0)
    with scans.open_box(tmp_path_factory.mktemp("scans"), limits) as box:
        yield box


def picture_page(wide: int, high: int, content: bytes, more: str = "", box: str = "0 0 595 842") -> bytes:
    """Build a PDF whose page is a grey picture that says to be so large."""
    head = (
        f"<< /Type /XObject /Subtype /Image /Width {wide} /Height {high} /ColorSpace /DeviceGray "
        f"/BitsPerComponent 8 /Filter [/ASCIIHexDecode /FlateDecode] /Length {2 * len(content)} {more}>>\nstream\n"
    )
    draw = "595 0 0 842 0 0 cm /Im Do"
    return assembled(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [5 0 R] /Count 1 >>",
            head + content.hex() + "\nendstream",
            f"<< /Length {len(draw)} >>\nstream\n{draw}\nendstream",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R /Resources << /XObject << /Im 3 0 R >> >> >>",
        ]
    )


def specks() -> bytes:
    """Draw a page of small spots, any of them perhaps a letter."""
    picture = Image.frombytes("L", (1654, 2339), random.Random(1).randbytes(1654 * 2339))
    return scans.as_pdf(picture.point(lambda grey: 0 if grey < 0.3 * 256 else 255).convert("RGB"))


def lines() -> bytes:
    """Draw a page full of letters without a space."""
    picture = Image.new("L", (1654, 2339), 255)
    tile = scans.scanned_letter(LETTER, dots=200).convert("L").crop((230, 505, 630, 545))
    for down in range(0, 2339, 26):
        for across in range(0, 1654, 400):
            picture.paste(tile, (across, down))
    return scans.as_pdf(picture.convert("RGB"))


def pages_of_nothing() -> bytes:
    return assembled(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 100000000 >>"])


GREY = zlib.compress(bytes(1000))
REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a picture of 3 GB in some bytes": ("png", lambda: png.built(png.header(60_000, 60_000))),
    "a picture over the limit of dots": ("png", lambda: png.picture(9000, 9000, mode="1")),
    "a picture that ends early": ("png", lambda: png.picture()[:200]),
    "a photo that ends early": ("jpeg", lambda: scans.jpeg(scans.scanned_letter(LETTER, dots=100))[:3000]),
    "a photo of no rows": (
        "jpeg",
        lambda: b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x00\x01\x01\x11\x00\xff\xd9",
    ),
    "no picture": ("png", lambda: b"\x89PNG\r\n\x1a\n" + b"x" * 500),
    "no PDF": ("pdf", lambda: b"%PDF-1.7\n" + b"x" * 500),
    "pages without end": ("pdf", pages_of_nothing),
    "a page as high as a mountain": ("pdf", lambda: picture_page(10, 10, GREY, box="0 0 1 99999999")),
}
ENDURED: dict[str, Callable[[], bytes]] = {
    "a picture in a page that says to have 3 GB": lambda: picture_page(60_000, 60_000, GREY),
    "a picture in a page that unpacks to 400 MB": lambda: picture_page(
        20_000, 20_000, zlib.compress(bytes(400_000_000), 1)
    ),
    "a form that draws itself": in_itself,
    "spots": specks,
    (SLOWEST := "lines upon lines"): lines,
}


def test_hostile_pictures_are_refused(box: ScanBox, cases: Cases) -> None:
    for name, (kind, make) in REFUSED.items():
        with cases.case(name):
            content = make()
            begun = time.monotonic()
            text = scans.read_alone(box, content, kind)
            assert text.fault in ("PAGE-LIMIT", "PAGE-UNREADABLE", "PAGE-NONE", "PAGE-READER")
            assert not text.runs
            assert time.monotonic() - begun < SECONDS
            assert scans.read_alone(box, GOOD).runs


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.long)])
def test_pages_that_cost_much_end_within_the_limits_and_the_next_scan_is_read(
    box: ScanBox, cases: Cases, slow: bool
) -> None:
    for name in (SLOWEST,) if slow else [name for name in ENDURED if name != SLOWEST]:
        with cases.case(name):
            content = ENDURED[name]()
            begun = time.monotonic()
            scans.read_alone(box, content)
            assert time.monotonic() - begun < 2 * SECONDS
            assert scans.read_alone(box, GOOD).runs


def test_the_memory_of_the_process_is_bounded(tmp_path_factory: pytest.TempPathFactory) -> None:
    small = DrawingLimits(seconds=SECONDS, memory=220 * MB, start_seconds=100.0)
    with scans.open_box(tmp_path_factory.mktemp("small"), small) as box:
        content = png.picture(7500, 7500)

        assert scans.read_alone(box, content, "png").fault in ("PAGE-LIMIT", "PAGE-READER", "PAGE-UNREADABLE")
        assert scans.read_alone(box, GOOD).runs


def test_a_page_that_takes_too_long_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    hasty = DrawingLimits(seconds=0.05, memory=768 * MB, start_seconds=100.0)
    with scans.open_box(tmp_path_factory.mktemp("hasty"), hasty) as box:
        assert scans.read_alone(box, lines()).fault == "PAGE-LIMIT"
        assert box._process is None


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_scan_is_read_or_refused(box: ScanBox, data: st.DataObject) -> None:
    stream = io.BytesIO()
    scans.scanned_letter(LETTER, dots=60).save(stream, "JPEG")
    photo = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        photo[data.draw(st.integers(0, len(photo) - 1))] = data.draw(st.integers(0, 255))

    text = scans.read_alone(box, bytes(photo[: data.draw(st.integers(1, len(photo)))]), "jpeg")

    assert text.fault in (None, "PAGE-LIMIT", "PAGE-UNREADABLE")
