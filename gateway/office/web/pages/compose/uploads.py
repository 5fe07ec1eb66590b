"""Reads the form of a new document as it comes: its fields, and its files streamed piece by piece into the tray. In: a
request and an open tray. Out: the fields, and what is wrong with files. A file that may not pass is read to its end but
kept nowhere, so that what was typed is not lost; a body that goes far past every limit is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from gateway.domain.document import Draft, FileRole
from gateway.errors import BadForm, GatewayError, Refused, ScannerDown
from gateway.office.web import forms
from gateway.office.web.forms import Form
from gateway.office.web.visit import Visit
from gateway.outgoing.intake import Tray
from gateway.policy import sent_names

PIECE = 64 * 1024
_MOST_PARTS = 10_000
_ROLES: Mapping[str, FileRole] = {role.value: role for role in FileRole}
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})


@dataclass(slots=True)
class Brought:
    """What the form brought. `refused` are errors about single files, each with its field."""

    form: Form = field(default_factory=Form)
    refused: list[tuple[str, GatewayError]] = field(default_factory=list)


async def read(visit: Visit, tray: Tray) -> Brought:
    """The whole form. BadForm where it is none, or takes too long."""
    try:
        async with asyncio.timeout(visit.deps.options.upload_s):
            with _as_form():
                return await _read(visit, tray)
    except TimeoutError as why:
        raise BadForm("the form took too long to come", code="GW-FORM-TIME") from why


async def _read(visit: Visit, tray: Tray) -> Brought:
    fields: dict[str, list[str]] = {}
    brought, left, count = Brought(), visit.deps.options.form_bytes, 0
    async for part in forms.parts(visit.request, visit.token):
        count += 1
        if count > _MOST_PARTS:
            raise BadForm(f"a form may have {_MOST_PARTS} fields", code="GW-FORM-SIZE")
        name = part.name or ""
        if part.filename is None:
            text = await forms.short(part, left)
            left -= len(text.encode())
            fields.setdefault(name, []).append(text)
        elif part.filename:
            await _take(part, name, tray, fields, brought)
        else:
            await _drop(part, tray)
    brought.form = Form(MappingProxyType({name: tuple(each) for name, each in fields.items()}))
    return brought


async def _take(
    part: BodyPartReader, name: str, tray: Tray, fields: Mapping[str, list[str]], brought: Brought
) -> None:
    role = _ROLES.get(name)
    if role is None:
        raise BadForm("this form brings no such file")
    # What is declared stands before the files: of a secret nothing may touch the disk (R2).
    tray.declare(Draft(secrecy=(fields.get("secrecy") or ["none"])[0]))
    try:
        await tray.add(name, file_name(part), role, chunks(part))
    except (Refused, ScannerDown, BadForm) as why:
        brought.refused.append((name, why))
        await _drop(part, tray)


def file_name(part: BodyPartReader) -> str:
    """In NFC; control characters have no honest use in a name (threats.md 77)."""
    name = sent_names.meant(part.headers.get("Content-Disposition", ""), part.filename)
    if name is None:
        raise BadForm("the name of a file cannot be read", code="GW-FORM-NAME")
    return name


async def chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The bytes of a part, as they are: not packed and not encoded a second time."""
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise BadForm("a file comes as its bytes, without an encoding of its own")
    while not part.at_eof():
        if chunk := await part.read_chunk(PIECE):
            yield bytes(chunk)


async def _drop(part: BodyPartReader, tray: Tray) -> None:
    limit = 4 * tray.desk.profile.max_document_bytes
    while not part.at_eof():
        tray.total += len(await part.read_chunk(PIECE))
        if tray.total > limit:
            raise BadForm("far more was sent than a document may have", code="GW-FORM-SIZE")


@contextmanager
def _as_form() -> Iterator[None]:
    """What the server's reader raises for a body that is not multipart, or is cut off."""
    try:
        yield
    except (ValueError, HttpProcessingError, web.RequestPayloadError, ConnectionError, RuntimeWarning) as why:
        raise BadForm("the form could not be read to its end") from why
