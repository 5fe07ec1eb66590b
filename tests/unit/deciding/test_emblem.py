"""The picture of an emblem: whatever the file is, it ends as a small picture that was written anew, or as a clear error."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gateway.deciding import emblem
from gateway.errors import Clash
from gateway.pool import ThreadPool
from gateway.store.blobs import SCRATCH, FileBlobs
from gateway.store.store import SqlStore
from gateway.trust.page_drawing.drawer import DrawingLimits, PageBox, PageDrawer
from tests.support import png
from tests.support.cases import Cases
from tests.support.clock import ManualClock

WORDS = b"<script>alert(1)</script>"
PACKED = zlib.compress((b"\0" + bytes(range(100)) * 3) * 100)
PIXELS = png.part(b"IDAT", PACKED)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("content")


@pytest.fixture(scope="module")
def box(root: Path) -> Iterator[PageBox]:
    page_box = PageBox(root / SCRATCH, DrawingLimits(start_seconds=100.0))
    yield page_box
    page_box.close()


@pytest.fixture
def blobs(root: Path, store: SqlStore, clock: ManualClock, pool: ThreadPool) -> FileBlobs:
    return FileBlobs(root, store, clock, pool)


def animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "navy")]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def transparent() -> bytes:
    """Draw a black picture with a palette, all of it transparent."""
    stream = io.BytesIO()
    Image.new("P", (100, 100), 0).save(stream, "PNG", transparency=0)
    return stream.getvalue()


async def test_a_picture_is_written_anew_in_the_size_of_print(
    blobs: FileBlobs, pool: ThreadPool, box: PageBox, cases: Cases
) -> None:
    comment = png.built(png.header(100, 100), png.part(b"tEXt", b"Author\0Nguyen Van Mau"), PIXELS)
    for name, content, size in (
        ("the smallest", png.picture(64, 64), (64, 64)),
        ("the largest", png.picture(1024, 1024), (290, 290)),
        ("a flag", png.picture(600, 400), (360, 240)),
        ("a banner", png.picture(1024, 64), None),
        ("a tower", png.picture(64, 1024), None),
        ("grey", png.picture(mode="L"), (200, 200)),
        ("with a palette", png.picture(mode="P"), (200, 200)),
        ("transparent", transparent(), (100, 100)),
        ("moving", animated(), (100, 100)),
        ("with a comment", comment, (100, 100)),
    ):
        with cases.case(name):
            small = await emblem.check(blobs, pool, content, PageDrawer([box], pool))
            opened = Image.open(io.BytesIO(small))
            opened.load()
            assert opened.mode == "RGB"
            assert max(opened.size) <= 360
            assert size is None or opened.size == size
            assert b"Nguyen" not in small
            if name == "transparent":
                assert opened.getpixel((50, 50)) == (255, 255, 255)


async def test_a_file_that_is_no_small_whole_picture_is_refused_with_its_reason(
    blobs: FileBlobs, pool: ThreadPool, box: PageBox, cases: Cases
) -> None:
    square = png.picture()
    middle = len(square) // 2
    jpeg = io.BytesIO()
    Image.new("RGB", (200, 200)).save(jpeg, "JPEG")
    bomb = png.part(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 64_000_000, 9))
    rows = (
        ("nothing", b"", ""),
        ("only the mark", png.MARK, ""),
        ("a photo", jpeg.getvalue(), ""),
        ("a drawing", b"<svg xmlns='http://www.w3.org/2000/svg'>" + WORDS + b"</svg>", ""),
        ("half of it", square[:middle], ""),
        ("without its last byte", square[:-1], ""),
        ("without its end", square[:-12], ""),
        ("with a wrong bit", square[:middle] + bytes([square[middle] ^ 1]) + square[middle + 1 :], ""),
        ("with words behind it", square + WORDS, ""),
        ("with a part behind it", square + png.part(b"tEXt", WORDS), ""),
        ("two pictures", square + square, ""),
        ("without pixels", png.built(png.header(100, 100)), ""),
        (
            "with half of its pixels",
            png.built(png.header(100, 100), png.part(b"IDAT", PACKED[: len(PACKED) // 2])),
            "",
        ),
        ("with pixels of noise", png.built(png.header(100, 100), png.part(b"IDAT", bytes(range(250)))), ""),
        ("with two sizes", png.built(png.header(100, 100), png.header(9_000, 9_000), PIXELS), ""),
        ("with a comment that swells", png.built(png.header(100, 100), bomb, PIXELS), ""),
        ("with pixels that swell", png.built(png.header(50_000, 50_000), PIXELS), "-SIZE"),
        ("of no width", png.built(png.header(0, 100), PIXELS), "-SIZE"),
        ("too small", png.picture(63, 200), "-SIZE"),
        ("too large", png.picture(200, 1025), "-SIZE"),
        ("too heavy", square + b"\0" * (200 * 1024), "-SIZE"),
    )
    for name, content, code in rows:
        with cases.case(name):
            with pytest.raises(Clash) as error:
                await emblem.check(blobs, pool, content, PageDrawer([box], pool))
            assert error.value.code == f"GW-EMBLEM{code}"
    assert [*blobs._scratch.iterdir()] == []
