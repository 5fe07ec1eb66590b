"""Looks into files that hold other files: ZIP, office documents made of ZIP members, RTF, and compound files (OLE) of
old office documents. In: a seekable stream. Out: members and pieces of their content, the kind of document, whether it
needs a password, and the content that it would run, embed or fetch when opened (threat 64, active content), as `active.`
labels; or `BadArchive` with a `why.` label. A ZIP is read without unpacking it to disk and without trusting its
directory (threats 57 to 60, crafted archives), with limits of members and memory; Python's own reader trusts the
directory's counts and sizes, so it is not used. Parts are searched as text, so no hostile part reaches a parser."""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from typing import BinaryIO

from gateway.domain.text import nfc

_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FIELD = struct.Struct("<2H")
_UNICODE_PATH = 0x7075
_LONGEST_DESCRIPTOR = 24  # after the data: a signature, the checksum, two sizes of 8 bytes
_MOST_COMMENT = 65535
_EMPTY_DEFLATED = 2  # bytes of empty content, compressed
_PIECE = 65536
_STORED, _DEFLATED = 0, 8
_NEWEST = 63  # version 6.3 of the format: other readers refuse members that need a later one
# Flags of a member: encrypted; a difference to another file; a name in UTF-8.
_LOCKED, _PATCHED, _UNICODE = 0x41, 0x20, 0x800
_DRIVE = re.compile(r"^[A-Za-z]:")
_LINK = 0o120000
WITH_MACROS = {"docx": "docm", "xlsx": "xlsm", "pptx": "pptm"}
_FOLDERS = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))
_ODF = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}
_OFFICE_KINDS = frozenset({*WITH_MACROS, *_ODF.values()})
_MACRO_PARTS = ("/activex/", "/macrosheets/", "/dialogsheets/")
# Longest part that lists the relations between the others; real documents have shorter ones.
_LONGEST_PART = 4 * 1024 * 1024
_RELATION = re.compile(r"([^\s:]+:)?relationship\s")
_EMBEDDED_RELATION = re.compile(r"relationships/(oleobject|package)[\"']")
_FETCHED = re.compile(r"/(attachedtemplate|oleobject|frame|subdocument|externallink\w*|image)\b")
_FAR = re.compile(r"targetmode\s*=\s*[\"']external")
# A remote picture only reveals that the document was opened; the other kinds bring code.
_HARMLESS = "image"
_RTF_WORDS = {b"\\objdata": "embedded-file"} | dict.fromkeys(
    (b"\\objupdate", b"\\objautlink", b"\\objlink", b"\\template"), "remote-content"
)
_END_OF_CHAIN = 0xFFFFFFFA
_MOST_SECTORS = 256
_OLE_HEADER = 512
_OLE_KINDS = (("worddocument", "doc"), ("workbook", "xls"), ("book", "xls"), ("powerpoint document", "ppt"))
_OLE_MACROS = frozenset({"macros", "_vba_project_cur", "vba", "_vba_project"})
_OLE_EMBEDDED = frozenset({"objectpool", "\x01ole10native", "equation native"})


class BadArchive(Exception):
    """Refusal of an archive; `why` is the last part of a `why.` label."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """Member as the directory describes it, once its local header agrees. Its data begins at byte `start`."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    start: int
    encrypted: bool
    is_unicode: bool
    is_folder: bool
    is_streamed: bool = False


def entries(stream: BinaryIO, size: int, most: int) -> list[ArchiveMember]:
    """Return every member after checking names, links, duplicates, local headers and overlaps; raise BadArchive for a
    bad archive or for more than `most` members."""
    count, start, length = _find_directory(stream, size)
    if count > most:
        raise BadArchive("too-many-members")
    stream.seek(start)
    raw = stream.read(min(length, (most + 1) * 1024))
    members = list(_read_directory(raw, count))
    if len(members) != count or len(raw) != length:
        raise BadArchive("member-header")
    if len({nfc(m.name).casefold().rstrip("/") for m in members}) != len(members):
        raise BadArchive("member-twice")
    checked = [_check_member(stream, m) for m in members]
    _refuse_overlap(checked, start)
    return checked


def entry_content(stream: BinaryIO, member: ArchiveMember) -> Iterator[bytes]:
    """Yield the member's bytes in pieces of at most 64 KiB; raise BadArchive when size or checksum are wrong."""
    crc = length = 0
    for piece in _inflate(stream, member):
        length += len(piece)
        crc = zlib.crc32(piece, crc)
        if length > member.size:
            raise BadArchive("member-header")
        yield piece
    if (length, crc) != (member.size, member.crc):
        raise BadArchive("member-header")


def has_directory_at_end(stream: BinaryIO, size: int) -> bool:
    """Tell whether the file, whatever its type, can also be opened as a ZIP (threat 63, files of two types)."""
    return _find_end_record(stream, size)[0] >= 0


def _find_end_record(stream: BinaryIO, size: int) -> tuple[int, bytes]:
    """Return position and bytes of the end record whose comment ends exactly with the file; else -1 and the file's tail."""
    tail_from = max(0, size - _END.size - _MOST_COMMENT)
    stream.seek(tail_from)
    tail = stream.read(_END.size + _MOST_COMMENT)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = struct.unpack_from("<H", tail, at + 20)[0]
            if tail_from + at + _END.size + comment == size:
                return tail_from + at, tail[at : at + _END.size]
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return -1, tail


def _find_directory(stream: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return number of members, start and length of the central directory, which must end where the end record begins."""
    at, end_record = _find_end_record(stream, size)
    if at < 0:
        raise BadArchive("junk-after" if b"PK\x05\x06" in end_record else "truncated")
    _, disk, first_disk, disk_count, total, length, start, _ = _END.unpack(end_record)
    if disk or first_disk or disk_count != total:
        raise BadArchive("member-header")
    if 0xFFFFFFFF in (length, start) or total == 0xFFFF:
        # ZIP64 is for more than 4 GiB or 65 534 members; both exceed our limits
        raise BadArchive("too-many-members")
    if start + length != at:
        raise BadArchive("junk-before" if start + length < at else "member-header")
    return total, start, length


def _read_directory(raw: bytes, count: int) -> Iterator[ArchiveMember]:
    at = 0
    for _ in range(count):
        if at + _CENTRAL.size > len(raw) or raw[at : at + 4] != b"PK\x01\x02":
            return
        row = _CENTRAL.unpack_from(raw, at)
        if row[2] & 0xFF > _NEWEST:
            raise BadArchive("member-method")
        flags, method, crc, packed, size = row[3], row[4], row[7], row[8], row[9]
        name_length, extra_length, comment_length = row[10], row[11], row[12]
        outer, offset = row[15], row[16]
        name_end = at + _CENTRAL.size + name_length
        if name_end + extra_length > len(raw):
            return
        name = _read_name(raw[at + _CENTRAL.size : name_end], raw[name_end : name_end + extra_length], flags)
        if flags & _PATCHED:
            raise BadArchive("member-method")
        if (outer >> 16) & 0o170000 == _LINK:
            raise BadArchive("member-link")
        yield ArchiveMember(
            name=name,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            offset=offset,
            start=0,
            encrypted=bool(flags & _LOCKED),
            is_unicode=bool(flags & _UNICODE),
            is_folder=name.endswith("/"),
        )
        at += _CENTRAL.size + name_length + extra_length + comment_length
    if at != len(raw):
        # Other programs read the bytes after the last counted member as one more.
        raise BadArchive("member-header")


def _read_name(raw: bytes, extra: bytes, flags: int) -> str:
    """Return the member's name: the Unicode extra field where there is one, else the raw bytes as UTF-8, else as code
    page 437 unless the flags say UTF-8. Raise BadArchive for a name that leaves the archive's own folder."""
    try:
        text = (_unicode_name(raw, extra) or raw).decode("utf-8")
    except UnicodeDecodeError:
        if flags & _UNICODE:
            raise BadArchive("member-name") from None
        text = raw.decode("cp437")
    name = text.replace("\\", "/")
    is_odd = any(unicodedata.category(char) == "Cc" for char in name)
    if is_odd or not name or name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        raise BadArchive("member-name")
    return name


def _unicode_name(raw: bytes, extra: bytes) -> bytes:
    """Return the name in the extra field 0x7075, or nothing where its checksum does not fit the raw name."""
    while len(extra) >= _FIELD.size:
        kind, size = _FIELD.unpack_from(extra)
        field, extra = extra[_FIELD.size : _FIELD.size + size], extra[_FIELD.size + size :]
        if kind == _UNICODE_PATH and field[1:5] == struct.pack("<I", zlib.crc32(raw)):
            return field[5:]
    return b""


def _check_member(stream: BinaryIO, member: ArchiveMember) -> ArchiveMember:
    """Return the member with the start of its data; raise BadArchive when its local header disagrees with the directory.
    The sizes may come after the data instead."""
    stream.seek(member.offset)
    raw = stream.read(_LOCAL.size)
    if len(raw) < _LOCAL.size or raw[:4] != b"PK\x03\x04":
        raise BadArchive("member-header")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    header_agrees = (
        method == member.method
        and bool(flags & _LOCKED) == member.encrypted
        and _read_name(stream.read(name_length), stream.read(extra_length), flags) == member.name
        # Programs that respect the flag read two different names; for an ASCII name it makes no difference.
        and (bool(flags & _UNICODE) == member.is_unicode or member.name.isascii())
    )
    sizes_agree = (crc, packed, size) == (member.crc, member.packed, member.size)
    has_descriptor = bool(flags & 0x8) and not crc and {packed, size} <= {0, 0xFFFFFFFF}
    if not header_agrees or not (sizes_agree or has_descriptor):
        raise BadArchive("member-header")
    if member.is_folder and (member.size or member.packed > _EMPTY_DEFLATED):
        raise BadArchive("member-header")
    if method not in (_STORED, _DEFLATED) and not member.encrypted:
        raise BadArchive("member-method")
    start = member.offset + _LOCAL.size + name_length + extra_length
    return replace(member, start=start, is_streamed=bool(flags & 0x8))


def _refuse_overlap(members: list[ArchiveMember], directory: int) -> None:
    """Raise BadArchive when members share bytes or reach into the directory, or when bytes lie before or between them,
    because a program that reads from the front could take those for a member."""
    ordered = sorted(members, key=lambda member: member.offset)
    if (ordered[0].offset if ordered else directory) != 0:
        raise BadArchive("junk-before")
    if not ordered:
        return
    for member, follows in zip(ordered, [*(m.offset for m in ordered[1:]), directory], strict=True):
        gap = follows - member.start - member.packed
        if gap < 0:
            raise BadArchive("member-overlap")
        if gap > (_LONGEST_DESCRIPTOR if member.is_streamed else 0):
            raise BadArchive("member-header")


def _inflate(stream: BinaryIO, member: ArchiveMember) -> Iterator[bytes]:
    remaining, at = member.packed, member.start
    inflater = zlib.decompressobj(-15) if member.method == _DEFLATED else None
    while remaining:
        stream.seek(at)
        packed = stream.read(min(remaining, _PIECE))
        if not packed:
            raise BadArchive("truncated")
        remaining, at = remaining - len(packed), at + len(packed)
        if inflater is None:
            yield packed
            continue
        yield from _pieces(inflater, packed)
    if inflater is not None and not inflater.eof:
        raise BadArchive("truncated")


def _pieces(inflater: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    try:
        while packed and not inflater.eof:
            yield inflater.decompress(packed, _PIECE)
            packed = inflater.unconsumed_tail
    except zlib.error as error:
        raise BadArchive("unreadable") from error
    if inflater.unused_data:
        raise BadArchive("member-header")


def kind_of(stream: BinaryIO, rows: list[ArchiveMember]) -> str:
    """Return the kind of the archive by its members: an office document, `epub`, a program (`jar`), or plain `zip`."""
    names = {row.name for row in rows}
    if "[Content_Types].xml" in names:
        return next(
            (kind for folder, kind in _FOLDERS if any(name.startswith(folder) for name in names)), "ooxml"
        )
    first = rows[0] if rows else None
    if first is not None and first.name == "mimetype" and not first.encrypted and first.size < 200:
        mimetype = b"".join(entry_content(stream, first)).strip()
        return _ODF.get(mimetype, "epub" if mimetype == b"application/epub+zip" else "zip")
    if "META-INF/MANIFEST.MF" in names and any(name.endswith((".class", ".dex")) for name in names):
        return "jar"
    return "zip"


def active_by_name(names: Iterable[str], kind: str) -> Iterator[str]:
    """Yield labels of macros and embedded objects, judged by the members' names."""
    if kind not in _OFFICE_KINDS:
        return
    for name in names:
        low = name.casefold()
        if low.endswith("vbaproject.bin") or low.startswith(("basic/", "scripts/")):
            yield "macro"
        if any(part in low for part in _MACRO_PARTS):
            yield "macro"
        if "/embeddings/" in low:
            yield "embedded-file"


class OfficePart:
    """Content of one member, collected while it is read, if the member declares types or relations of the others."""

    def __init__(self, row: ArchiveMember, kind: str) -> None:
        low = row.name.casefold()
        tells = low.endswith(".rels") or low == "[content_types].xml"
        self._held = bytearray() if tells and kind in WITH_MACROS else None

    def feed(self, piece: bytes) -> None:
        """Keep a piece; raise BadArchive for a part that is too long to be searched whole."""
        if self._held is not None:
            self._held += piece
            if len(self._held) > _LONGEST_PART:
                raise BadArchive("too-long-to-read")

    def active(self) -> Iterator[str]:
        """Yield labels of macros, remote content and embedded files that the part declares. A macro can hide behind any
        member name, but not behind another type."""
        if self._held is None:
            return
        text = _part_text(bytes(self._held))
        lowered = unescape(text).casefold()
        if "vbaproject" in lowered or "ms-office.activex" in lowered:
            yield "macro"
        # Only "<" cannot occur between the quotes of an attribute.
        for tag in text.split("<"):
            relation = unescape(tag).casefold()
            if _RELATION.match(relation) is None:
                continue
            target, is_far = _FETCHED.search(relation), _FAR.search(relation)
            if is_far and target is not None and target[1] != _HARMLESS:
                yield "remote-content"
            if not is_far and _EMBEDDED_RELATION.search(relation):
                yield "embedded-file"


def _part_text(raw: bytes) -> str:
    """Decode a part from UTF-8 or UTF-16, as its first bytes tell."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-be" if raw[:1] == b"\0" else "utf-16-le", "replace")
    return raw.decode("utf-8", "replace")


def active_in_rtf(stream: BinaryIO) -> Iterator[str]:
    """Yield labels of objects that an RTF embeds and of content that it fetches or updates by itself."""
    kinds: set[str] = set()
    for window in _windows(stream):
        kinds |= {kind for word, kind in _RTF_WORDS.items() if word in window}
    yield from sorted(kinds)


def _windows(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream in pieces, each preceded by the end of the previous one, so that no word is cut."""
    stream.seek(0)
    tail = b""
    while piece := stream.read(256 * 1024):
        yield tail + piece
        tail = piece[-32:]


@dataclass(frozen=True, slots=True, kw_only=True)
class OleFacts:
    """Facts about a compound file. `kind` is `ole` for one of no known kind, `ooxml` for a new document with a password."""

    kind: str
    encrypted: bool = False
    broken: str | None = None
    active: frozenset[str] = frozenset()


def look_into_ole(stream: BinaryIO) -> OleFacts:
    """Return the facts of a compound file; bad content becomes `broken`, never an error."""
    try:
        names = frozenset(_ole_names(stream))
    except BadArchive as bad:
        return OleFacts(kind="ole", broken=bad.why)
    encrypted = "encryptedpackage" in names
    kind = next((kind for name, kind in _OLE_KINDS if name in names), "ooxml" if encrypted else "ole")
    active = {"macro"} if names & _OLE_MACROS else set()
    if names & _OLE_EMBEDDED:
        active.add("embedded-file")
    return OleFacts(kind=kind, encrypted=encrypted, active=frozenset(active))


def _ole_names(stream: BinaryIO) -> Iterator[str]:
    """Yield the names of the directory's entries along the chain of its sectors. Raise BadArchive for an endless one."""
    stream.seek(0)
    header = stream.read(_OLE_HEADER)
    if len(header) < _OLE_HEADER:
        return
    shift = struct.unpack_from("<H", header, 30)[0]
    sector = struct.unpack_from("<I", header, 48)[0]
    if shift not in (9, 12):
        return
    table = _sector_table(stream, header, shift)
    for _ in range(_MOST_SECTORS):
        if sector >= _END_OF_CHAIN:
            return
        yield from _entry_names(_sector(stream, sector, shift))
        sector = _next_sector(stream, table, sector, shift)
    raise BadArchive("too-long-to-read")  # longer than any document's directory


def _sector_table(stream: BinaryIO, header: bytes, shift: int) -> list[int]:
    """Return the sectors of the allocation table: the header lists the first 109, a chain of sectors the others."""
    sectors = list(struct.unpack_from("<109I", header, 76))
    sector = struct.unpack_from("<I", header, 68)[0]
    for _ in range(_MOST_SECTORS):
        if sector >= _END_OF_CHAIN:
            break
        raw = _sector(stream, sector, shift)
        if len(raw) < 1 << shift:
            break
        *rows, sector = struct.unpack(f"<{len(raw) // 4}I", raw)
        sectors += rows
    return sectors


def _sector(stream: BinaryIO, sector: int, shift: int) -> bytes:
    stream.seek((sector + 1) << shift)
    return stream.read(1 << shift)


def _entry_names(sector: bytes) -> Iterator[str]:
    for start in range(0, len(sector) - 127, 128):
        length = struct.unpack_from("<H", sector, start + 64)[0]
        if 2 < length <= 64:
            yield sector[start : start + length - 2].decode("utf-16-le", "replace").casefold()


def _next_sector(stream: BinaryIO, table: list[int], sector: int, shift: int) -> int:
    per_sector = (1 << shift) // 4
    row = sector // per_sector
    if row >= len(table) or table[row] >= _END_OF_CHAIN:
        return _END_OF_CHAIN
    stream.seek(((table[row] + 1) << shift) + (sector % per_sector) * 4)
    raw = stream.read(4)
    return int(struct.unpack("<I", raw)[0]) if len(raw) == 4 else _END_OF_CHAIN
