"""Draws pages of files from outside in a child process. Started by `drawer`, it draws one page to load all modules,
gives up every right that drawing does not need, and then answers one question per line. The kernel enforces this, so
that code which takes over a library has no more rights than the library: Landlock for files and connections, seccomp for
calls, on Linux only; a kernel without one of them still has the other. PDFium, built without scripts, draws PDFs with
their annotations and form fields, because seals and signatures are form fields; no event of a form is raised, so nothing
in a page acts. `docx` reads the words of a DOCX, which is not drawn. Scanned
pictures are decoded and encoded anew. In: the path of a file, and a `PageWish`. Out: a `PageLook`; anything the file causes
is a fault of the file. Signatures are read in another process, because code that took over PDFium must not decide about
other files."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import importlib
import io
import math
import os
import platform
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image, ImageOps
from pydantic import TypeAdapter

from gateway.domain.pdf import MOST_PAGES, PageLook, PageWish, Size, TextRun, fitting_scale, pixels
from gateway.trust.apart import fence, folder_argument, read_safely, serve
from gateway.trust.page_drawing.docx import read_docx, smallest_docx
from gateway.trust.page_drawing.drawer import PageBox, write_look

Recognise = Callable[[Image.Image, int, float], tuple[TextRun, ...]]
"""Reader of the text in a picture, from the page's number and the pixels per point."""
_NO_NEW_RIGHTS, _SET_SECCOMP, _FILTER = 38, 22, 2
_CREATE_RULES, _ADD_RULE, _RESTRICT = 444, 445, 446
_READ_FILE, _BENEATH = 1 << 2, 1
# Number of rights over files that each version of Landlock can take away.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_CONNECTIONS_SINCE, _CONNECTIONS = 4, 0b11
# By machine: its number in the kernel, and the numbers of system calls that connect, start a program, inspect or stop
# another process, or reach the kernel in other ways.
_CALLS = {
    "x86_64": (
        0xC000003E,
        (
            41,
            42,
            44,
            46,
            49,
            53,
            57,
            58,
            59,
            62,
            101,
            165,
            200,
            234,
            248,
            249,
            250,
            272,
            310,
            311,
            321,
            322,
            323,
            425,
            426,
            427,
            434,
            438,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            198,
            199,
            200,
            203,
            206,
            211,
            221,
            129,
            117,
            40,
            130,
            131,
            217,
            218,
            219,
            97,
            270,
            271,
            280,
            281,
            282,
            425,
            426,
            427,
            434,
            438,
        ),
    ),
}
_LOAD, _EQUAL, _AT_LEAST, _ANSWER = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_OTHER_TABLE = 0x40000000  # a second table of calls (x32) on the same machine
WISH = TypeAdapter(PageWish)
LIMIT, LOCKED, UNREADABLE, NONE = "PAGE-LIMIT", "PAGE-LOCKED", "PAGE-UNREADABLE", "PAGE-NONE"
# Folders of fonts, for files that do not embed their own.
TYPEFACES = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
# Audit events of the library's own calls into C; loading another library is not allowed.
_OWN_CALLS = frozenset(
    f"ctypes.{name}"
    for name in ("addressof", "call_function", "cdata", "cdata/buffer", "create_string_buffer", "string_at")
)
_LONGEST_SIDE_PT = 1_000_000.0
_MOST_LETTERS = 20_000
_MOST_SCANNED = 60_000_000
_SCANNED_DOTS = 100  # per inch, for a picture that does not state its resolution
_WIDEST_SCAN = 595.0
_QUALITY, _EFFORT = 80, 0
# Modules that the picture library loads only for certain files, such as photos of telephones.
_LOADED_LATE = ("PIL.JpegImagePlugin", "PIL.MpoImagePlugin", "PIL.PngImagePlugin", "PIL.TiffImagePlugin")
_WARM = (
    b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]>>>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
    b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 90 90]>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"
)


def confine(readable: Iterable[Path]) -> frozenset[str]:
    """Set up the kernel's fences and return the names of those that work: `files` and `calls`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0):
        return frozenset()
    stands = {"files": _keep_to_folders(libc, readable), "calls": _keep_to_calls(libc)}
    return frozenset(name for name, does in stands.items() if does)


def _keep_to_folders(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(_CREATE_RULES, None, 0, 1)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("QQ", rights, _CONNECTIONS if version >= _CONNECTIONS_SINCE else 0)
    size = len(attributes) if version >= _CONNECTIONS_SINCE else 8
    rules = libc.syscall(_CREATE_RULES, attributes, size, 0)
    if rules < 0:
        return False
    try:
        for folder in readable:
            _allow_reading(libc, rules, folder)
        return not libc.syscall(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow_reading(libc: ctypes.CDLL, rules: int, folder: Path) -> None:
    try:
        place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a missing folder needs no right
    try:
        libc.syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", _READ_FILE, place), 0)
    finally:
        os.close(place)


def _keep_to_calls(libc: ctypes.CDLL) -> bool:
    """Make the listed system calls fail; a call for another machine type ends the process."""
    call_table = _CALLS.get(platform.machine())
    if call_table is None:
        return False
    machine, refused = call_table
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, machine),
        (_ANSWER, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, len(refused) + 1, 0, _OTHER_TABLE),
        # A match jumps over the remaining comparisons and the ALLOW line.
        *((_EQUAL, len(refused) - n, 0, number) for n, number in enumerate(refused)),
        (_ANSWER, 0, 0, _ALLOW),
        (_ANSWER, 0, 0, _REFUSE),
    ]
    program = b"".join(struct.pack("HBBI", code, yes, no, operand) for code, yes, no, operand in lines)
    buffer = ctypes.create_string_buffer(program, len(program))
    program_struct = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(buffer))
    return not libc.prctl(_SET_SECCOMP, _FILTER, program_struct, 0, 0)


class _CannotDrawError(Exception):
    """Error for a page that cannot be drawn; `fault` is the code of the reason."""

    def __init__(self, fault: str, detail: str = "") -> None:
        super().__init__(detail)
        self.fault = fault


def main(recognise: Recognise | None = None) -> None:
    folder = folder_argument()
    Image.MAX_IMAGE_PIXELS = _MOST_SCANNED
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    os.nice(5)  # the delivery of documents goes first
    _warm(folder)
    confine((folder, *TYPEFACES))
    serve(partial(_answer, recognise=recognise), drawing_fence)


def drawing_fence(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse audit events as `fence` does, except for the library's own calls."""
    if event not in _OWN_CALLS:
        fence(event, arguments)


def _warm(folder: Path) -> None:
    """Draw one page of each kind, so that modules loaded at first use are loaded before the fences are set up."""
    for encoding in ("utf-16-le", "cp437"):
        codecs.lookup(encoding)
    for name in _LOADED_LATE:
        importlib.import_module(name)
    picture = _picture(Image.new("RGB", (2, 2)), "PNG")
    for kind, octets in (("pdf", _WARM), ("png", picture), ("docx", smallest_docx())):
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(octets)
            file.flush()
            for words in (False, True):
                write_look(draw_page(Path(file.name), PageWish(kind=kind, page=1, words=words)))


def _answer(question: dict[str, Any], recognise: Recognise | None) -> bytes:  # Any: JSON of the node
    return write_look(draw_page(Path(question["path"]), WISH.validate_python(question["wish"]), recognise))


def draw_page(path: Path, wish: PageWish, recognise: Recognise | None = None) -> PageLook:
    """Draw the page that the wish names, or read the text in its picture; bad content becomes a fault, never an error."""
    return read_safely(lambda: _look(path, wish, recognise), PageLook, PageBox.area, PageBox.does[0])


def _look(path: Path, wish: PageWish, recognise: Recognise | None) -> PageLook:
    try:
        if wish.kind == "docx":
            return _docx_words(path, wish)
        look, drawn = _pdf(path, wish) if wish.kind == "pdf" else _scan(path, wish)
        if drawn is None:
            return look
        if wish.recognises:
            scale = drawn.width / look.sizes[0].width
            return replace(look, runs=recognise(drawn, wish.page, scale) if recognise else ())
        return replace(look, picture=_picture(drawn, "PNG" if wish.as_png and wish.kind != "pdf" else "WEBP"))
    except _CannotDrawError as why:
        return PageLook(fault=why.fault, detail=str(why))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as why:
        raise MemoryError from why


def _pdf(path: Path, wish: PageWish) -> tuple[PageLook, Image.Image | None]:
    with _open(path) as document:
        if not wish.words:
            document.init_forms()  # before pages are counted; without it no signature is drawn
        count = min(len(document), MOST_PAGES)
        if not 1 <= wish.page <= count:
            raise _CannotDrawError(NONE, f"it has {count} pages")
        window = range(wish.page - 1, min(count, wish.page - 1 + wish.window))
        sizes = tuple(_size(*document.get_page_size(n)) for n in window)
        if wish.words:
            return PageLook(pages=count, sizes=sizes, words=tuple(_words(document, n) for n in window)), None
        page = document[wish.page - 1]
        drawn = page.render(scale=fitting_scale(sizes[0], wish.dots), rev_byteorder=True).to_pil()
        return PageLook(pages=count, sizes=sizes), drawn


@contextlib.contextmanager
def _open(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as why:
        is_locked = why.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD
        raise _CannotDrawError(LOCKED if is_locked else UNREADABLE, str(why)) from why
    try:
        yield document
    finally:
        document.close()


def _size(width: float, height: float) -> Size:
    if not all(math.isfinite(side) and 0 < side <= _LONGEST_SIDE_PT for side in (width, height)):
        raise _CannotDrawError(LIMIT, f"a page is said to measure {width} by {height}")
    return Size(width=round(width, 2) or 1.0, height=round(height, 2) or 1.0)


def _words(document: pypdfium2.PdfDocument, n: int) -> str:
    return _clean(document[n].get_textpage().get_text_bounded()[:_MOST_LETTERS])


def _clean(text: str) -> str:
    letters = (c for c in text.replace("\r\n", "\n").replace("\r", "\n") if c == "\n" or c.isprintable())
    return "".join(letters).strip()


def _docx_words(path: Path, wish: PageWish) -> PageLook:
    """Return the words of parts of a DOCX as those of pages; it has no picture."""
    parts = read_docx(path)
    if not wish.words or not 1 <= wish.page <= len(parts):
        raise _CannotDrawError(NONE, f"it has {len(parts)} parts, and no pages")
    window = parts[wish.page - 1 : wish.page - 1 + wish.window]
    return PageLook(pages=len(parts), words=tuple(_clean(part) for part in window))


def _scan(path: Path, wish: PageWish) -> tuple[PageLook, Image.Image | None]:
    if wish.page != 1:
        raise _CannotDrawError(NONE, "it has 1 page")
    with Image.open(path, formats=("JPEG", "PNG")) as opened:
        opened.load()
        turned = ImageOps.exif_transpose(opened)
        size = _scanned_size(turned)
        if wish.words:
            return PageLook(pages=1, sizes=(size,), words=("",)), None
        drawn = Image.new("RGB", turned.size, "white")
        drawn.paste(turned.convert("RGB"), mask=_opacity(turned))
        target = pixels(size, wish.dots)
        if target[0] < drawn.width:
            drawn = drawn.resize(target, reducing_gap=2.0)
        return PageLook(pages=1, sizes=(size,)), drawn


def _opacity(picture: Image.Image) -> Image.Image | None:
    """Return the mask of a picture with transparent parts; None where it has none."""
    if "A" in picture.getbands():
        return picture.getchannel("A")
    return picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None


def _scanned_size(picture: Image.Image) -> Size:
    """Return the size of a scan, at most a sheet wide; the resolution in the file is often wrong and is ignored."""
    wide, high = (dots * 72 / _SCANNED_DOTS for dots in picture.size)
    fits = min(1.0, _WIDEST_SCAN / wide)
    return _size(wide * fits, high * fits)


def _picture(drawn: Image.Image, form: str = "WEBP") -> bytes:
    buffer = io.BytesIO()
    drawn.save(buffer, form, quality=_QUALITY, method=_EFFORT)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
