"""Files that come in parts before the message that carries them. In: what is to come, parts as raw bytes in any order, and
the word that all are there. Out: which parts the node has on disk; at the end the file as it was found to be, for a
message to name by its id."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from functools import partial

from aiohttp import web
from pydantic import Field

from gateway.api import asking, pdf_view
from gateway.api.call import Call, once
from gateway.api.pdf_view import FileSignaturesOut
from gateway.api.problems import BadCall, RequestFault
from gateway.api.routes import BASE, Body, Route, sample_upload
from gateway.api.shapes import Asked, Moment, Name, Sha256, Told
from gateway.domain.account import ApiScope
from gateway.domain.identity import Digest
from gateway.domain.upload import LEAST_PART, MOST_PART, Upload, UploadPart
from gateway.errors import NotFound
from gateway.outgoing import uploads
from gateway.outgoing.uploads import Announced, missing_of

OCTETS = "application/octet-stream"
_SHA256 = re.compile(r"(?:.*,)?\s*sha-256=:([A-Za-z0-9+/=]+):")


class UploadIn(Asked):
    """A file that is to come in parts."""

    name: Name
    size: int = Field(ge=0, description="Bytes of the whole file")
    sha256: Sha256 | None = Field(None, description="Of the whole file; compared when it is complete")
    part_size: int | None = Field(
        None,
        ge=LEAST_PART,
        le=MOST_PART,
        description="Bytes of each part but the last; the node names it where absent",
    )


class PartOut(Told):
    """One part that is on disk."""

    n: int
    size: int
    sha256: str


class UploadedFile(Told):
    """What the file was found to be."""

    sha256: str
    type: str
    pages: int | None = Field(description="Of a PDF; null where the node cannot count them")
    signatures: FileSignaturesOut | None = Field(description="Of a PDF")


class UploadOut(Told):
    """One upload. A message names it by `id` once it is complete."""

    id: str
    name: str
    size: int
    part_size: int = Field(description="Bytes of each part but the last")
    part_count: int
    parts: list[PartOut] = Field(description="Those that are on disk")
    missing: list[int] = Field(description="Numbers of those that are not")
    complete: bool
    file: UploadedFile | None = Field(description="Once it is complete")
    created_at: Moment
    expires_at: Moment = Field(
        description="24 hours after something of it came; afterwards nothing of it is kept"
    )


class UploadRemoved(Told):
    id: str


class Uploads(Told):
    data: list[UploadOut]


async def begin(call: Call) -> web.Response:
    asked = call.body_of(UploadIn)
    announced = Announced(
        name=asked.name,
        size=asked.size,
        sha256=Digest(asked.sha256) if asked.sha256 else None,
        part_size=asked.part_size,
    )

    async def act() -> str:
        upload = await uploads.begin(call.deps.out, call.scope(), announced)
        return _told(call, upload, ()).model_dump_json(by_alias=True)

    answer = await once(call, act, status=201)
    answer.headers["Location"] = f"{BASE}/uploads/{json.loads(answer.text or '')['id']}"
    return answer


async def add_part(call: Call) -> web.Response:
    asking.need_type(call.request, OCTETS)
    part = await uploads.add_part(
        call.deps.out,
        call.scope(),
        call.path("id"),
        _number(call),
        asking.streamed_body(call.request, call.deps.options.upload_s),
        _announced(call.request.headers.get("Content-Digest", "")),
    )
    return call.tell(_part(part))


async def list_all(call: Call) -> web.Response:
    async with call.deps.store.read(call.scope()) as work:
        found = [(each, await work.uploads.parts(each.id)) for each in await work.uploads.all()]
    return call.tell(Uploads(data=[_told(call, each, parts) for each, parts in found]))


async def read(call: Call) -> web.Response:
    return await _present(call)


async def complete(call: Call) -> web.Response:
    await uploads.complete(call.deps.out, call.scope(), call.path("id"))
    return await _present(call)


async def remove(call: Call) -> web.Response:
    await uploads.remove(call.deps.out, call.scope(), call.path("id"))
    return call.tell(UploadRemoved(id=call.path("id")))


async def _present(call: Call) -> web.Response:
    return call.tell(_told(call, *await uploads.present(call.deps.out, call.scope(), call.path("id"))))


def _number(call: Call) -> int:
    given = call.path("n")
    if not (given.isascii() and given.isdigit() and len(given) < 6):
        raise NotFound(f"parts have numbers; there is no part {given[:20]!r}")
    return int(given)


def _announced(header: str) -> Digest | None:
    """The SHA-256 of RFC 9530; other digests may stand beside it."""
    if not header:
        return None
    found = _SHA256.match(header)
    try:
        raw = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        params = {"field": "Content-Digest", "expected": "sha-256=:…:"}
        raise BadCall(
            "bad-request", RequestFault(code="bad-value", pointer="/headers/Content-Digest", params=params)
        )
    return Digest.of_bytes(raw)


def _told(call: Call, upload: Upload, parts: Sequence[UploadPart]) -> UploadOut:
    return UploadOut(
        id=upload.id,
        name=upload.name,
        size=upload.size,
        part_size=upload.part_size,
        part_count=upload.count,
        parts=[_part(each) for each in parts],
        missing=missing_of(upload, parts),
        complete=upload.file is not None,
        file=_file(call, upload),
        created_at=upload.created_at,
        expires_at=upload.expires_at,
    )


def _file(call: Call, upload: Upload) -> UploadedFile | None:
    if upload.file is None:
        return None
    told = pdf_view.signatures((upload.signatures,) if upload.signatures else (), call.lang)
    return UploadedFile(
        sha256=upload.file.sha256,
        type=upload.file.content_type,
        pages=upload.file.pages,
        signatures=told[0] if told else None,
    )


def _part(part: UploadPart) -> PartOut:
    return PartOut(n=part.n, size=part.size, sha256=part.sha256)


_of = partial(Route, tag="uploads", scopes=(ApiScope.MESSAGES_SEND,))

ROUTES = (
    _of(
        path=f"{BASE}/uploads",
        name="createUpload",
        method="POST",
        handler=begin,
        summary="Announce a large file that comes in parts",
        text="Send its parts, complete it, and name its id in `files` of a message. What breaks off goes on with the parts "
        "that are `missing`.",
        creates=True,
        asks=UploadIn,
        answer=UploadOut,
        status=201,
        fails=(400, 409, 413, 422),
        sample=sample_upload,
        headers=("Location",),
    ),
    _of(
        path=f"{BASE}/uploads",
        name="listUploads",
        handler=list_all,
        summary="Uploads that are kept, the oldest first; 100 at most",
        answer=Uploads,
    ),
    _of(
        path=f"{BASE}/uploads/{{id}}",
        name="readUpload",
        handler=read,
        summary="One upload: the parts that are on disk, and those that are missing",
        answer=UploadOut,
        fails=(404,),
    ),
    _of(
        path=f"{BASE}/uploads/{{id}}/parts/{{n}}",
        name="putUploadPart",
        method="PUT",
        handler=add_part,
        summary="One part, as raw bytes",
        text="Parts count from 1 and come in any order; 200 means that this one is on disk. Sending it again is harmless. "
        "With `Content-Digest: sha-256=:…:` (RFC 9530) a part that was changed on its way is refused.",
        body=Body.RAW,
        takes=OCTETS,
        answer=PartOut,
        fails=(400, 404, 408, 409, 415),
    ),
    _of(
        path=f"{BASE}/uploads/{{id}}/complete",
        name="completeUpload",
        method="POST",
        handler=complete,
        summary="All parts are there: the file is put together and looked at",
        text="Again is the same answer. Whether a message may carry the file is said when one does.",
        answer=UploadOut,
        fails=(404, 409, 422),
    ),
    _of(
        path=f"{BASE}/uploads/{{id}}",
        name="deleteUpload",
        method="DELETE",
        handler=remove,
        summary="Let go of an upload; messages that carry its file keep theirs",
        answer=UploadRemoved,
        fails=(404,),
    ),
)
