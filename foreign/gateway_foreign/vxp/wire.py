"""Protocol of the national axis (dialect R1), for a server of its clients: signed headers, their signer, digests of
files, forms of answers. In: raw headers, the secrets of a system; values of an answer. Out: the signed parameters by
their names in small letters, or `NotSigned`; members of an answer. Pure.

Signed text is never formatted again, since the code covers the text as received. A client makes its timestamp once and
keeps sending all its parameters, so those that an operation does not use are ignored."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.domain.wall_clock import VIETNAM, local

PREFIX = "xroadvnpt-"
DONE_WELL: Mapping[str, str] = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}
BEFORE_DATA = '{"status":"OK","ErrorCode":"0","ErrorDesc":"","data":'
LINE_END = b"\r\n"
"""Line end that the client library adds to a file, but leaves out of the digest."""


class NotSigned(Exception):
    """The headers are not as this system signed them. `key` names the fault, for sentences in other languages."""

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(detail)
        self.key = key


def by_name(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return headers by their names in small letters. Raises NotSigned for a header of the dialect that occurs twice,
    since a proxy may read the other one."""
    headers_by_name: dict[str, str] = {}
    for name, value in headers:
        folded = name.lower()
        if folded in headers_by_name and folded.startswith(PREFIX):
            raise NotSigned("twice", f"the header {name} stands there twice")
        headers_by_name[folded] = value
    return headers_by_name


def is_code_over(text: str, code: str, secret: str) -> bool:
    """Verify in constant time that the code signs the text with the secret."""
    return hmac.compare_digest(
        hmac.new(secret.encode(), raw(text), hashlib.sha256).hexdigest().encode(), raw(code)
    )


def raw(text: str) -> bytes:
    """Return the received bytes of a header."""
    return text.encode("utf-8", "surrogateescape")


def signed_by(headers: Mapping[str, str], secrets: Sequence[str]) -> int | None:
    """Return the index of the secret that signed `sign-header`; None if none of them did."""
    text, code = headers.get(f"{PREFIX}sign-header", ""), headers.get(f"{PREFIX}hash-header", "")
    matches = [is_code_over(text, code, secret) for secret in secrets]
    return matches.index(True) if True in matches else None


def has_lost_letters(headers: Mapping[str, str]) -> bool:
    """Tell whether a value has letters that the library cannot send: it signs their UTF-8 and sends their low bytes."""
    return any(
        not (value.isascii() and value.isprintable())
        for name, value in headers.items()
        if name.startswith(PREFIX)
    )


def signed_parameters(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the parameters in `sign-header`, whose code was verified before. NotSigned unless they equal the headers."""
    try:
        signed = json.loads(raw(headers.get(f"{PREFIX}sign-header", "")))
    except (ValueError, RecursionError) as why:
        raise NotSigned("json", "sign-header is no JSON") from why
    if not isinstance(signed, dict):
        raise NotSigned("json", "sign-header is no JSON object")
    names = [name[len(PREFIX) :] for name in signed if name.lower().startswith(PREFIX)]
    if headers.get(f"{PREFIX}sign-header-key", "").split(";") != names or "systemid" not in names:
        raise NotSigned("names", "sign-header-key names other headers than sign-header")
    if any(headers.get(name.lower()) != value for name, value in signed.items()):
        raise NotSigned("values", "a header is not the signed one")
    return {name[len(PREFIX) :].lower(): str(value) for name, value in signed.items()}


def stamped_at(parameters: Mapping[str, str]) -> datetime:
    """Parse the timestamp `ddMMyyyy'T'HHmmss+SSSS` of the Vietnamese wall clock; the last four digits are
    milliseconds."""
    try:
        at = datetime.strptime(parameters.get("timestamp", "").partition("+")[0], "%d%m%YT%H%M%S")
    except ValueError as why:
        raise NotSigned("stamp", "the timestamp is not ddMMyyyyTHHmmss+SSSS") from why
    return at.replace(tzinfo=VIETNAM)


def digests(raw_digest: bytes) -> tuple[str, str]:
    """Return a SHA-256 as the client library formats it, without the zero of bytes below 16, and correctly."""
    return "".join(format(byte, "x") for byte in raw_digest), raw_digest.hex()


def named_recipients(text: str) -> list[str] | None:
    """Parse the codes in `to`, a JSON array; an empty list for an empty text, None for an invalid one."""
    try:
        codes = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        return None
    return [str(c) for c in codes] if isinstance(codes, list) else None


def no(code: str, detail: str) -> dict[str, Any]:
    """Return a refusal. Any: a JSON object. DocId is never null, and data never absent, because versions of the library
    then lose the whole answer."""
    return {"status": "FAIL", "ErrorCode": code, "ErrorDesc": detail, "DocId": "", "data": ""}


def clock(at: datetime | None) -> str:
    """Format a time for a list. The form of the real axis is not documented."""
    return f"{local(at):%Y/%m/%d %H:%M:%S}" if at is not None else ""


def waits(
    doc_id: str, kind: str, sender: str, to: str, status: str, created: datetime, updated: datetime
) -> dict[str, Any]:
    """Return a line for the list of received packets."""
    return {
        "docId": doc_id,
        "serviceType": "eDoc",
        "messageType": kind,
        "created_time": clock(created),
        "updated_time": clock(updated),
        "from": sender,
        "to": to,
        "status": status,
        "status_desc": "",
    }


def went(
    doc_id: str,
    kind: str,
    sender: str,
    to: str,
    title: str,
    notation: str,
    sent: datetime,
    received: datetime | None,
    status: str,
    why: str = "",
) -> dict[str, Any]:
    """Return a line for the list of sent packets."""
    return {
        "serviceType": "eDoc",
        "messageType": kind,
        "senderDocId": doc_id,
        "receiverDocId": doc_id,
        "fromCode": sender,
        "toCode": to,
        "title": title,
        "notation": notation,
        "sentTime": clock(sent),
        "receivedTime": clock(received),
        "sendStatus": "done",
        "sendStatusDesc": "",
        "receiveStatus": status,
        "receiveStatusDesc": why,
    }


def agency(
    code: str,
    pid: str,
    old: str,
    name: str,
    mail: str,
    *,
    is_gone: bool = False,
    version: int = 1,
    modified: datetime | None = None,
) -> dict[str, Any]:
    """Return a line for the three lists of agencies."""
    return {
        "id": code,
        "pid": pid,
        "code": code,
        "oldCode": old,
        "code102": old,
        "name": name,
        "mail": mail,
        "centerCode": "",
        "version": version,
        "deleted": is_gone,
        "modifyDate": clock(modified),
        "isAgency": True,
    }
