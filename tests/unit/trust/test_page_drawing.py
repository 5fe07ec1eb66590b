"""Pages of hostile files: whatever a file does, there is an answer in time, of bounded size, and the next file is
drawn. The drawing process reads one folder, opens no connection and starts nothing, by the kernel's word where the
kernel has one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from gateway.domain.pdf import LONGEST_SIDE, MOST_PIXELS, PageLook, PageWish, Size, pixels
from gateway.errors import StoreFailure
from gateway.trust.page_drawing import drawer
from gateway.trust.page_drawing.child import draw_page
from gateway.trust.page_drawing.drawer import DrawingLimits, PageBox
from tests.support.cases import Cases

SAMPLES = Path(__file__).parents[2] / "samples"


def pdf(
    content: bytes = b"", box: bytes = b"0 0 595 842", page: bytes = b"", root: bytes = b"", more: bytes = b""
) -> bytes:
    """Build a PDF of one page with that content; PDFium finds the objects without a table."""
    packed = zlib.compress(content)
    return b"".join(
        (
            b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R" + root + b">>\nendobj\n",
            b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n",
            b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R%s>>\nendobj\n" % (box, page),
            b"4 0 obj\n<</Filter/FlateDecode/Length %d>>\nstream\n" % len(packed),
            packed + b"\nendstream\nendobj\n" + more + b"trailer\n<</Root 1 0 R>>\n%%EOF\n",
        )
    )


def look_at_page(place: Path, octets: bytes, kind: str = "pdf", **wish: object) -> PageLook:
    place.write_bytes(octets)
    return draw_page(place, PageWish(kind=kind, **{"page": 1, **wish}))  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "Công văn số 1.pdf"


def picture(look: PageLook) -> Image.Image:
    assert look.fault is None, look.detail
    assert drawer.is_picture(look.picture)
    return Image.open(io.BytesIO(look.picture))


def test_a_page_has_the_size_that_is_told_before_it_comes_and_its_words_can_be_had_instead() -> None:
    look = draw_page(SAMPLES / "bao-cao.pdf", PageWish(kind="pdf", page=1, window=10))

    assert (look.pages, len(look.sizes)) == (2, 2)
    assert picture(look).size == pixels(look.sizes[0], 100)
    assert 820 < picture(look).size[0] < 830

    look = draw_page(SAMPLES / "cong-van.pdf", PageWish(kind="pdf", page=1, words=True))

    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in look.words[0].upper()
    assert look.picture == b""


def test_a_page_of_any_size_is_a_picture_within_bounds(place: Path, cases: Cases) -> None:
    for box in (b"0 0 14400 14400", b"0 0 900000 900000", b"0 0 1 900000", b"0 0 0.01 0.01"):
        for dots in (100, 200):
            with cases.case((box, dots)):
                look = look_at_page(place, pdf(box=box), dots=dots)
                if look.fault is None:
                    wide, high = picture(look).size
                    assert wide * high <= MOST_PIXELS * 1.01 + LONGEST_SIDE
                    assert max(wide, high) <= LONGEST_SIDE + 1
    for size in ((1e6, 1e6), (0.01, 1e6), (595, 842)):
        with cases.case(size):
            wide, high = pixels(Size(width=size[0], height=size[1]), 200)
            assert wide * high <= MOST_PIXELS * 1.01 + LONGEST_SIDE
            assert min(wide, high) >= 1
            assert max(wide, high) <= LONGEST_SIDE + 1


def test_threat_132_scripts_and_addresses_in_a_file_do_nothing_and_the_page_is_drawn(place: Path) -> None:
    acts = b"/OpenAction<</S/JavaScript/JS(while\\(true\\){app.alert\\(1\\)})>>/AA<</WC<</S/URI/URI(http://127.0.0.1:9/)>>>>"
    launch = b"/AA<</O<</S/Launch/F(/bin/sh)>>>>/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(file:///etc/passwd)>>>>]"

    look = look_at_page(place, pdf(b"1 0 0 rg 0 0 595 842 re f", page=launch, root=acts))

    assert picture(look).convert("RGB").getpixel((100, 100))[0] > 200  # type: ignore[index]  # three colours


def annotated(*annotations: tuple[bytes, bytes], fields: bytes = b"") -> bytes:
    """Build a page with annotations, each a dictionary and the drawing of its appearance."""
    objects, names = list[bytes](), list[bytes]()
    for n, (entries, drawing) in enumerate(annotations):
        appearance, annotation = 20 + 2 * n, 21 + 2 * n
        names.append(b"%d 0 R" % annotation)
        objects.append(
            b"%d 0 obj\n<</Type/XObject/Subtype/Form/BBox[0 0 100 100]/Length %d>>\nstream\n%s\nendstream\nendobj\n"
            % (appearance, len(drawing), drawing)
        )
        objects.append(
            b"%d 0 obj\n<</Type/Annot%s/AP<</N %d 0 R>>>>\nendobj\n" % (annotation, entries, appearance)
        )
    root = b"/AcroForm<</SigFlags 3/Fields[%s]%s>>" % (names[0], fields)
    return pdf(page=b"/Annots[%s]" % b" ".join(names), root=root, more=b"".join(objects))


def signature(rect: bytes, flags: int = 132) -> bytes:
    return b"/Subtype/Widget/FT/Sig/T(%s)/F %d/Rect[%s]" % (rect.replace(b" ", b"_"), flags, rect)


RING = b"0.8 0.1 0.1 RG 8 w 10 10 80 80 re S 0.8 0.1 0.1 rg 35 35 30 30 re f"
HAND = b"0.1 0.2 0.7 RG 6 w 5 20 m 40 90 60 -40 95 70 c S"
STAMP = b"0.1 0.5 0.2 RG 6 w 5 5 90 90 re S 5 50 m 95 50 l S"
NOTE = b"1 0.9 0.4 rg 0 0 100 100 re f 0 g 10 45 80 10 re f"
VISIBLE = (
    (signature(b"300 150 400 250"), RING),
    (signature(b"380 150 520 220"), HAND),
    (b"/Subtype/Stamp/F 4/Rect[60 640 200 740]", STAMP),
    (b"/Subtype/FreeText/F 4/Rect[250 640 400 700]/Contents(x)/DA(/H 9 Tf)", NOTE),
)


def test_seal_signature_stamp_and_note_are_drawn_as_a_reader_shows_them(place: Path) -> None:
    """Compare with a picture that was looked at; edges of lines may differ between builds of the library."""
    hidden = ((signature(b"50 50 250 250", flags=2), RING),)
    scripted = b"/CO[21 0 R]/NeedAppearances true"

    drawn = picture(look_at_page(place, annotated(*VISIBLE, *hidden, fields=scripted))).convert("RGB")
    golden = Image.open(Path(__file__).parent / "drawn_annotations.png").convert("RGB")

    small = drawn.resize(golden.size, Image.Resampling.BOX)
    differing = ImageChops.difference(small, golden).convert("L").point(lambda x: 255 * (x > 60))
    assert differing.histogram()[255] < 0.002 * golden.width * golden.height
    assert red_dots(drawn) > 1500


def red_dots(drawn: Image.Image) -> int:
    octets = drawn.convert("RGB").tobytes()
    dots = zip(octets[::3], octets[1::3], octets[2::3], strict=True)
    return sum(red > 150 and green < 110 and blue < 110 for red, green, blue in dots)


def test_a_picture_that_lies_elsewhere_is_not_fetched(place: Path) -> None:
    """A stream whose bytes are said to lie in another file of this machine."""
    outside = place.with_name("ngoai.bin")
    outside.write_bytes(b"\x00" * 300)
    stream = (
        b"5 0 obj\n<</Type/XObject/Subtype/Image/Width 10/Height 10/BitsPerComponent 8/ColorSpace/DeviceRGB"
    )
    stream += b"/F(" + str(outside).encode() + b")/Length 0>>\nstream\n\nendstream\nendobj\n"

    look = look_at_page(
        place, pdf(b"595 0 0 842 0 0 cm /X Do", page=b"/Resources<</XObject<</X 5 0 R>>>>", more=stream)
    )

    assert picture(look).convert("RGB").getpixel((100, 100)) == (255, 255, 255)


def test_what_is_not_what_it_is_called_is_a_word_and_no_picture(place: Path, cases: Cases) -> None:
    rows = [
        (b"", "pdf"),
        (b"%PDF-1.7\n%%EOF", "pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "png"),
        (b"<html><script>alert(1)</script>", "pdf"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "png"),
        (b"GIF89a" + b"\x00" * 50, "jpeg"),
    ]
    for octets, kind in rows:
        with cases.case(octets[:9]):
            look = look_at_page(place, octets, kind)
            assert (look.fault, look.picture) == ("PAGE-UNREADABLE", b"")
    assert {look_at_page(place, pdf(), page=page).fault for page in (0, 2)} == {"PAGE-NONE"}


def test_a_scan_is_rewritten_without_its_metadata(place: Path) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "nha rieng"
    Image.new("RGB", (1240, 1754), "navy").save(stream, "JPEG", exif=exif)

    look = look_at_page(place, stream.getvalue() + b"<script>alert(1)</script>", "jpeg")

    assert picture(look).size == pixels(look.sizes[0], 100)
    assert b"nha rieng" not in look.picture
    assert b"script" not in look.picture


def test_a_scan_that_swells_is_refused_before_it_does(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    stream = io.BytesIO()
    Image.new("1", (3000, 3000)).save(stream, "PNG")

    assert look_at_page(place, stream.getvalue(), "png").fault == "PAGE-LIMIT"


def test_an_answer_comes_back_as_it_was_said_and_one_that_is_none_is_given_to_nobody() -> None:
    look = PageLook(
        pages=3, sizes=(Size(width=1.5, height=2.5),), picture=bytes(range(256)), words=("Chữ\n",)
    )

    assert drawer.parse_look(drawer.write_look(look)) == look
    assert PageWish(**asdict(PageWish(kind="pdf", page=1))) == PageWish(kind="pdf", page=1)

    odd = (b'{"look": {"pages": "?"}, "picture": ""}', b'{"look": {}, "picture": "%%"}')
    for line in (b"", b"x", b"{}", *odd):
        with pytest.raises((ValueError, KeyError, TypeError)):
            drawer.parse_look(line)
    assert not drawer.is_picture(b"<svg onload=alert(1)>")
    assert not drawer.is_picture(b"RIFF0000WEBP" + b"\0" * (8 * 1024 * 1024))


# --- the process ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageBox]:
    page_box = PageBox(tmp_path_factory.mktemp("scratch"), DrawingLimits(seconds=5.0, start_seconds=100.0))
    yield page_box
    page_box.close()


def put_in_box(box: PageBox, octets: bytes) -> Path:
    box._folder.mkdir(exist_ok=True)
    place = box._folder / "a.pdf"
    place.write_bytes(octets)
    return place


def test_behind_its_fences_the_process_does_all_that_it_is_for(box: PageBox) -> None:
    """A library's late imports must be loaded before the fences are up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), "navy").save(stream, "JPEG", exif=exif)
    letter = (SAMPLES / "cong-van.pdf").read_bytes()

    words = box.draw(put_in_box(box, letter), PageWish(kind="pdf", page=1, words=True))
    drawn = box.draw(put_in_box(box, letter), PageWish(kind="pdf", page=1, window=10))
    scan = box.draw(put_in_box(box, stream.getvalue()), PageWish(kind="jpeg", page=1))
    sealed = box.draw(put_in_box(box, annotated(*VISIBLE)), PageWish(kind="pdf", page=1))

    assert red_dots(picture(sealed)) > 1500
    assert "CỘNG HÒA" in "".join(words.words).upper()
    assert picture(drawn).size == pixels(drawn.sizes[0], 100)
    assert picture(scan).size[0] < picture(scan).size[1]


def test_a_file_over_the_limit_starts_nothing(tmp_path: Path, place: Path) -> None:
    place.write_bytes(b"%PDF-" + b"x" * 2000)
    small = PageBox(tmp_path, DrawingLimits(max_bytes=1000))

    assert small.draw(place, PageWish(kind="pdf", page=1)).fault == "PAGE-LIMIT"
    assert small._process is None


def test_a_file_that_is_not_there_is_the_nodes_own_failure(box: PageBox, tmp_path: Path) -> None:
    with pytest.raises(StoreFailure):
        box.draw(tmp_path / "nowhere", PageWish(kind="pdf", page=1))


CONFINED = """
import os, socket, sys
from pathlib import Path
from gateway.trust.page_drawing.child import confine
stands = confine([Path(sys.argv[1])])
def tried(act):
    try:
        act()
    except OSError:
        return False
    return True
opened = {
    "files": [lambda: open("/etc/passwd"), lambda: open(sys.argv[1] + "/new", "w"), lambda: os.listdir("/")],
    "calls": [socket.socket, lambda: os.execv("/bin/true", ["true"]), lambda: os.kill(os.getppid(), 0)],
}
print(sum(tried(act) for name in stands for act in opened[name]), tried(lambda: open(sys.argv[1] + "/old")))
"""


def test_threat_132_by_the_kernel_it_reads_one_folder_and_reaches_nobody(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    words = [sys.executable, "-c", CONFINED, str(tmp_path)]

    process = subprocess.run(
        words, check=True, timeout=60, capture_output=True, text=True, env=dict(os.environ)
    )

    assert process.stdout.split() == ["0", "True"]
