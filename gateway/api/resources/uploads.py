"""Files that come before their message. In: an announcement, parts as raw bytes in any order, and the completion; or a
whole file as the body of one call. Out: the parts that are on disk; at the end the checked file, for a message to name by
its id."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence

from aiohttp import web
from pydantic import Field

from gateway.api import parsing, pdf_view
from gateway.api.call import Call, once
from gateway.api.pdf_view import FileSignaturesOut
from gateway.api.routes import Body, Routes, sample_upload
from gateway.api.shapes import BASE, Moment, Name, RequestModel, ResponseModel, Sha256
from gateway.domain.account import ApiScope
from gateway.domain.identity import Digest
from gateway.domain.request_fault import bad_value
from gateway.domain.upload import LEAST_PART, MOST_PART, Upload, UploadPart
from gateway.outgoing import uploads
from gateway.outgoing.uploads import Announced, missing_of

OCTETS = "application/octet-stream"
_SHA256 = re.compile(r"(?:.*,)?\s*sha-256=:([A-Za-z0-9+/=]+):")


class UploadIn(RequestModel):
    """A file to be uploaded in parts."""

    name: Name
    size: int = Field(ge=0, description="Bytes of the whole file")
    sha256: Sha256 | None = Field(None, description="SHA-256 of the whole file; compared when it is complete")
    part_size: int | None = Field(
        None,
        ge=LEAST_PART,
        le=MOST_PART,
        description="Bytes of each part but the last; the node chooses if absent",
    )


class FileQuery(RequestModel):
    name: Name = Field(description="Name of the file, with its extension")


class PartOut(ResponseModel):
    """One stored part."""

    n: int
    size: int
    sha256: str


class UploadedFile(ResponseModel):
    """Results of inspecting a file."""

    sha256: str
    type: str
    pages: int | None = Field(description="Pages of a PDF; null if the node cannot count them")
    signatures: FileSignaturesOut | None = Field(description="Signatures of a PDF")


class UploadOut(ResponseModel):
    """One upload. A message names it by `id` once it is complete."""

    id: str
    name: str
    size: int
    part_size: int = Field(description="Bytes of each part but the last")
    part_count: int
    parts: list[PartOut] = Field(description="Parts that are stored")
    missing: list[int] = Field(description="Numbers of the missing parts")
    complete: bool
    file: UploadedFile | None = Field(description="The file, once it is complete")
    created_at: Moment
    expires_at: Moment = Field(description="24 hours after the last part came; after that nothing is kept")


class UploadRemoved(ResponseModel):
    id: str


class Uploads(ResponseModel):
    data: list[UploadOut]


ROUTES = Routes("uploads", ApiScope.MESSAGES_SEND)


@ROUTES(
    "POST /uploads",
    "Announce a large file that comes in parts",
    text="Send its parts, complete it, and name its id in `files` of a message. After an interruption, "
    "send the parts that are `missing`.",
    creates=True,
    answer=UploadOut,
    status=201,
    headers=("Location",),
    sample=sample_upload,
)
async def create_upload(call: Call, body: UploadIn) -> web.Response:
    announced = Announced(
        name=body.name,
        size=body.size,
        sha256=Digest(body.sha256) if body.sha256 else None,
        part_size=body.part_size,
    )

    async def act() -> str:
        upload = await uploads.begin(call.deps.out, call.scope(), announced)
        return _upload_view(call, upload, ()).model_dump_json(by_alias=True)

    answer = await once(call, act, status=201)
    answer.headers["Location"] = f"{BASE}/uploads/{json.loads(answer.text or '')['id']}"
    return answer


@ROUTES(
    "PUT /uploads/file",
    "Upload a whole file in one call, as raw bytes",
    text="For a file that can be sent in one call. 200 means that it is complete and on disk; a message "
    "names its `id`. Sending the same file under the same name again is harmless and returns the same "
    "`id`. With `Content-Digest: "
    "sha-256=:…:` (RFC 9530) a file that was changed in transit is refused.",
    body=Body.RAW,
    takes=OCTETS,
    fails=(409,),
)
async def put_upload(call: Call, query: FileQuery) -> UploadOut:
    parsing.need_type(call.request, OCTETS)
    upload = await uploads.store_file(
        call.deps.out,
        call.scope(),
        query.name,
        call.request.content_length,
        parsing.streamed_body(call.request, call.deps.options.upload_s),
        _announced_digest(call.request.headers.get("Content-Digest", "")),
    )
    return _upload_view(call, *await uploads.load_upload(call.deps.out, call.scope(), upload.id))


@ROUTES(
    "GET /uploads",
    "Current uploads, the oldest first; 100 at most",
    text="Those of the calling key's agency that are not over; an upload ends 24 hours after its last part.",
)
async def list_uploads(call: Call) -> Uploads:
    async with call.deps.store.read(call.scope()) as work:
        stored = [(u, await work.uploads.parts(u.id)) for u in await work.uploads.all()]
    return Uploads(data=[_upload_view(call, u, parts) for u, parts in stored])


@ROUTES(
    "GET /uploads/{id}",
    "One upload, with its stored and its missing parts",
    text="After an interruption, send the parts in `missing`.",
)
async def read_upload(call: Call) -> UploadOut:
    return await _present(call)


@ROUTES(
    "PUT /uploads/{id}/parts/{n}",
    "Upload one part, as raw bytes",
    text="Parts count from 1 and come in any order; 200 means that this one is on disk. Sending it again "
    "is harmless. "
    "With `Content-Digest: sha-256=:…:` (RFC 9530) a part that was changed in transit is refused.",
    body=Body.RAW,
    takes=OCTETS,
    fails=(409,),
)
async def put_upload_part(call: Call) -> PartOut:
    parsing.need_type(call.request, OCTETS)
    part = await uploads.add_part(
        *call.outgoing,
        call.number("n", "part"),
        parsing.streamed_body(call.request, call.deps.options.upload_s),
        _announced_digest(call.request.headers.get("Content-Digest", "")),
    )
    return PartOut.from_object(part)


@ROUTES(
    "POST /uploads/{id}/complete",
    "Complete an upload: its parts are joined and the file is inspected",
    text="A repeated call returns the same answer. Whether a message may carry the file is checked when it "
    "is sent.",
    fails=(409, 422),
)
async def complete_upload(call: Call) -> UploadOut:
    await uploads.complete(*call.outgoing)
    return await _present(call)


@ROUTES(
    "DELETE /uploads/{id}",
    "Delete an upload; messages that carry its file keep it",
    text="Its parts are deleted at once. A repeated call answers 404.",
)
async def delete_upload(call: Call) -> UploadRemoved:
    await uploads.remove(*call.outgoing)
    return UploadRemoved(id=call.path("id"))


async def _present(call: Call) -> UploadOut:
    return _upload_view(call, *await uploads.load_upload(*call.outgoing))


def _announced_digest(header: str) -> Digest | None:
    """Parse the SHA-256 of RFC 9530; other digests may stand beside it."""
    if not header:
        return None
    match = _SHA256.match(header)
    try:
        raw = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise bad_value("/headers/Content-Digest", "sha-256=:…:")
    return Digest.of_bytes(raw)


def _upload_view(call: Call, upload: Upload, parts: Sequence[UploadPart]) -> UploadOut:
    return UploadOut.from_object(
        upload,
        part_count=upload.count,
        parts=parts,
        missing=missing_of(upload, parts),
        complete=upload.file is not None,
        file=_file_view(call, upload),
    )


def _file_view(call: Call, upload: Upload) -> UploadedFile | None:
    if upload.file is None:
        return None
    file_signatures = pdf_view.signatures((upload.signatures,) if upload.signatures else (), call.lang)
    return UploadedFile.from_object(
        upload.file, type=upload.file.content_type, signatures=file_signatures[0] if file_signatures else None
    )
