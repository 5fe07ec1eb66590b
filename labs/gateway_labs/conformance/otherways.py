"""Steps about the other ways in and out of a gateway: the calls of the national axis's library, and the hot folder. In: a
kit with a system's secret, or an agency's folder. Out: expectations in a check."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from gateway_foreign.vxp.signing import file_digest
from gateway_labs.conformance.kit import PARTNER_CODE, Kit, sha256
from gateway_labs.conformance.score import Check, StepFailed
from gateway_labs.sandbox import packets
from gateway_labs.sandbox.cast import cast


async def library(kit: Kit, check: Check) -> None:
    """Make the calls of a document system with the national axis's library, in its order."""
    agencies = await kit.library("getAgenciesList")
    codes = [row.get("code") for row in agencies.get("data") or []]
    check.expect(
        "getAgenciesList", kit.own, agencies.get("ErrorDesc") or f"{len(codes)} rows", ok=kit.own in codes
    )

    number = kit.number()
    file, document = packets.unsigned(cast(), kit.own, PARTNER_CODE, number, await kit.now(), kit.pdf)
    digest = file_digest(io.BytesIO(file))
    headers = {"from": kit.own, "servicetype": "eDoc", "messagetype": "edoc", "hash-file": digest}
    sent = await kit.library("sendEdoc", headers, file + b"\r\n")
    check.need("sendEdoc", "a DocId", _value_or_error(sent, "DocId"), ok=bool(sent.get("DocId")))
    repeat = await kit.library("sendEdoc", headers, file + b"\r\n")
    check.equal("the same file again", sent["DocId"], repeat.get("DocId"))
    await _signature_is_valid(kit, check, document)

    earlier = await _waiting(kit)
    letter = await kit.act(check, "document")
    doc_id = await _arrived(kit, check, earlier)
    got = await kit.library("getEdoc", {"docId": doc_id, "filePath": "."})
    content = base64.b64decode(got.get("data") or "")
    is_ours = letter["document_id"].encode() in content
    check.expect("getEdoc", letter["document_id"], f"{len(content)} bytes", ok=is_ours)
    reply = await kit.library("updateStatus", {"docId": doc_id, "status": "done"})
    check.equal("updateStatus done", "OK", reply.get("status"))
    check.expect("in the list after done", "nothing", doc_id, ok=doc_id not in await _waiting(kit))


async def _waiting(kit: Kit) -> list[str]:
    answer = await kit.library("getReceivedEdocList", {"servicetype": "eDoc", "messagetype": "edoc"})
    return [str(row.get("docId")) for row in answer.get("data") or []]


async def _arrived(kit: Kit, check: Check, earlier: list[str]) -> str:
    async def look() -> list[str]:
        return [doc_id for doc_id in await _waiting(kit) if doc_id not in earlier]

    arrived = await kit.poll(look, bool)
    check.need("getReceivedEdocList", "one more", f"{len(arrived)} more", ok=bool(arrived))
    return arrived[-1]


async def _signature_is_valid(kit: Kit, check: Check, document_id: str) -> None:
    packet = await kit.packet(check, document_id, "edoc")
    check.equal("signature of the packet", "valid", packet["said"]["signature"])


def _value_or_error(answer: dict[str, Any], name: str) -> str:
    return str(answer.get(name) or answer.get("ErrorDesc") or "nothing")


async def folder(kit: Kit, check: Check) -> None:
    """Lay a good and a wrong document into the agency's folder, and receive one."""
    base = kit.folder
    if base is None:
        raise StepFailed("the run was given no hot folder")
    stem = f"kit-{kit.number()}"
    meta = kit.meta(files=[{"name": f"{stem}.pdf", "role": "lead"}])
    out = base / "out"  # made by the node when it first looks
    check.need("out/", "there", "not there", ok=await kit.poll(partial(asyncio.to_thread, out.is_dir), bool))
    await asyncio.to_thread(_lay, base, stem, json.dumps(meta), kit.pdf)
    await asyncio.to_thread(_lay, base, f"{stem}-bad", "{", b"")

    receipts = await kit.poll(partial(_files_named, base / "sent", f"{stem}.result.json"), bool)
    check.need(f"sent/…/{stem}.result.json", "there", f"{len(receipts)} of them", ok=bool(receipts))
    receipt = json.loads(receipts[0].read_text("utf-8"))
    await _signature_is_valid(kit, check, receipt["document_id"])
    reasons = await kit.poll(partial(_files_named, base / "error", f"{stem}-bad.error.txt"), bool)
    check.equal(f"error/{stem}-bad.error.txt", 1, len(reasons))

    letter = await kit.act(check, "document")

    async def look() -> list[Path]:
        metas = await _files_named(base / "in", "meta.json")
        return [file for file in metas if _document_of(file) == letter["document_id"]]

    files_in = await kit.poll(look, bool)
    check.need("in/…/meta.json", letter["document_id"], f"{len(files_in)} of them", ok=bool(files_in))
    item = json.loads(files_in[0].read_text("utf-8"))
    for file in item["files"]:
        raw = (files_in[0].parent / item["paths"][str(file["n"])]).read_bytes()
        check.equal(f"bytes of {file['name']}", file["sha256"], sha256(raw))
    await asyncio.to_thread(shutil.rmtree, files_in[0].parent)


def _lay(base: Path, stem: str, meta: str, pdf: bytes) -> None:
    out = base / "out"
    if pdf:
        (out / f"{stem}.pdf").write_bytes(pdf)
    (out / f"{stem}.json.part").write_text(meta, "utf-8")
    (out / f"{stem}.json.part").rename(out / f"{stem}.json")
    (out / f"{stem}.ready").touch()


async def _files_named(below: Path, name: str) -> list[Path]:
    return await asyncio.to_thread(files_named, below, name)


def files_named(below: Path, name: str) -> list[Path]:
    """Return the files of that name; a folder that the node moves meanwhile is seen the next time."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(below) if name in names)


def _document_of(meta: Path) -> str:
    try:
        return str(json.loads(meta.read_text("utf-8")).get("document_id"))
    except (OSError, ValueError):
        return ""
