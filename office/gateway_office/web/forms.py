"""Forms as browsers send them. In: a request. Out: the fields, once the form's token is proved; of a form with files the
parts one after another. Text is trimmed and NFC; nothing is held in memory but short fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError

from gateway.api import parts as multipart
from gateway.domain.text import nfc
from gateway.errors import BadForm, Denied
from gateway_office.domain.session import is_form_token

TOKEN = "form_token"  # noqa: S105 - the name of a field
HEADER = "X-Form-Token"
_MOST_FIELDS = 5_000
_FEW_FIELDS, _FIELD_BYTES = 50, 4_000
# Limits of a refused form: its fields, and the files beside them.
STRAY_BYTES = 1024 * 1024
FORM_BYTES = 1024 * 1024
MOST_PASSED = 64 * 1024 * 1024
# Letters of a reason that a person must give; shorter ones explain nothing.
SHORTEST_REASON = 10
Problems = list[tuple[str, str]]
"""Faults of a form: the field, empty for the form as a whole, and the sentence."""


@dataclass(frozen=True, slots=True)
class Form:
    """Fields of one form; a name may come several times."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, name: str, default: str = "") -> str:
        values = self.fields.get(name)
        return values[0] if values else default

    def all(self, name: str) -> Sequence[str]:
        return self.fields.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def flat(self) -> dict[str, str]:
        """Return the first value of each name, to fill a refused form again."""
        return {name: values[0] for name, values in self.fields.items() if values and name != TOKEN}


class StrayForm(Denied):
    """Form of another session, with its fields: nothing was done with it."""

    def __init__(self, form: Form) -> None:
        super().__init__(
            "this form is not of this session any more; open the page again", code="GW-FORM-TOKEN"
        )
        self.form = form


async def read(request: web.Request, token: str | None, limit: int) -> Form:
    """Read a form without files. Raise StrayForm when its token is not of this session; with None no token is needed."""
    declared = request.content_length
    if declared is not None and declared > limit:
        raise BadForm(f"a form may have {limit} bytes", code="GW-FORM-SIZE")
    if request.content_type == "multipart/form-data":
        form = await _from_parts(request, limit)
    else:
        raw = await request.content.read(limit + 1)
        while len(raw) <= limit and (more := await request.content.read(limit + 1 - len(raw))):
            raw += more
        if len(raw) > limit:
            raise BadForm(f"a form may have {limit} bytes", code="GW-FORM-SIZE")
        form = _form(_pairs(raw))
    if token is not None and not _is_ours(request, token, form.text(TOKEN)):
        raise StrayForm(form)
    return form


async def read_refused(request: web.Request, limit: int) -> Form:
    """Read the fields of a form that is refused, as far as they come, without files and without any proof."""
    try:
        if request.content_type == "multipart/form-data":
            return await _read_fields(multipart.reader(request), limit)
        return await read(request, None, limit)
    except (BadForm, ValueError, HttpProcessingError, ConnectionError):
        return Form()


def _is_ours(request: web.Request, token: str, form_token: str) -> bool:
    """Tell whether the form was made by a page of this session."""
    return is_form_token(token, request.headers.get(HEADER, "") or form_token)


async def parts(request: web.Request, token: str) -> AsyncIterator[BodyPartReader]:
    """Yield the parts of a form with files, in order. The token comes in a header or as the very first part, so that
    nothing of a forged form reaches the handler. Raise StrayForm when it is not of this session."""
    if request.content_type != "multipart/form-data":
        raise BadForm("a form with files is multipart/form-data")
    reader = multipart.reader(request)
    is_proved = HEADER in request.headers
    if is_proved and not _is_ours(request, token, ""):
        raise StrayForm(Form())
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise BadForm("a part of a form cannot have parts of its own")
        if not is_proved:
            if not _is_ours(request, token, (await _read_text(part, 200)) if part.name == TOKEN else ""):
                raise StrayForm(await _read_fields(reader, STRAY_BYTES))
            is_proved = True
        elif part.name != TOKEN:
            yield part


async def short(part: BodyPartReader, limit: int) -> str:
    """Read the text of a field among files."""
    return _clean(await _read_text(part, limit))


async def add_short(fields: dict[str, str], part: BodyPartReader) -> None:
    """Add one more of a few fields among files."""
    fields[part.name or ""] = await short(part, _FIELD_BYTES)
    if len(fields) > _FEW_FIELDS:
        raise BadForm(f"this form may have {_FEW_FIELDS} fields", code="GW-FORM-SIZE")


async def _from_parts(request: web.Request, limit: int) -> Form:
    reader, pairs, bytes_left = multipart.reader(request), list[tuple[str, str]](), limit
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.filename is not None:
            raise BadForm("this form brings no files")
        name = part.name or ""
        raw = await _read_part(part, bytes_left)
        bytes_left -= len(raw) + len(name.encode("utf-8", "replace"))
        pairs.append((name, raw.decode("utf-8", "replace")))
        if bytes_left < 0:
            raise BadForm(f"a form may have {limit} bytes", code="GW-FORM-SIZE")
        if len(pairs) > _MOST_FIELDS:
            raise BadForm(f"a form may have {_MOST_FIELDS} fields", code="GW-FORM-SIZE")
    return _form(pairs)


async def _read_fields(reader: MultipartReader, limit: int) -> Form:
    """Read the short fields; skip files unread, as far as they may be large."""
    pairs, bytes_left, skipped = list[tuple[str, str]](), limit, 0
    while bytes_left > 0 and len(pairs) < _MOST_FIELDS and (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.filename is not None:
            while isinstance(part, BodyPartReader) and (piece := await part.read_chunk()):
                skipped += len(piece)
                if skipped > MOST_PASSED:
                    return _form(pairs)
            continue
        raw = await _read_part(part, bytes_left)
        bytes_left -= len(raw) + len(part.name or "")
        pairs.append((part.name or "", raw.decode("utf-8", "replace")))
    return _form(pairs)


async def _read_text(part: BodyPartReader, limit: int) -> str:
    return (await _read_part(part, limit)).decode("utf-8", "replace")


async def _read_part(part: BodyPartReader, limit: int) -> bytearray:
    content = bytearray()
    await hold(part, content, limit, f"this field may have {limit} bytes")
    return content


async def read_file(
    request: web.Request, token: str, limit: int, message: str, memory_limit: int | None = None
) -> tuple[dict[str, str], bytes]:
    """Read a form that has short fields and one file named `file`; `message` is the error for a file over the limit. Of a
    larger file than `memory_limit` only so many first bytes are returned, and the rest is counted."""
    fields: dict[str, str] = {}
    content = bytearray()
    async for part in parts(request, token):
        if part.name == "file":
            await hold(part, content, limit, message, memory_limit)
        else:
            await add_short(fields, part)
    return fields, bytes(content)


async def hold(
    part: BodyPartReader, content: bytearray, limit: int, message: str, memory_limit: int | None = None
) -> None:
    """Add the bytes of a part, up to `memory_limit` of them; `message` is the error when there are more than `limit`."""
    size = len(content)
    while piece := await part.read_chunk():
        size += len(piece)
        if size > limit:
            raise BadForm(message, code="GW-FORM-SIZE")
        content += piece if memory_limit is None else piece[: memory_limit - len(content)]


def _pairs(raw: bytes) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii", "replace"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="replace",
        )
    except ValueError as error:
        raise BadForm(f"a form may have {_MOST_FIELDS} fields", code="GW-FORM-SIZE") from error


def _form(pairs: Sequence[tuple[str, str]]) -> Form:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(_clean(value))
    return Form(MappingProxyType({name: tuple(values) for name, values in fields.items()}))


def whole_number(text: str, digits: int) -> int | None:
    """Parse a number; None for other text, or for more digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def _clean(text: str) -> str:
    """Normalise text: browsers send CR LF; NUL fits into no database."""
    return nfc(text.replace("\r\n", "\n").replace("\x00", "")).strip()
