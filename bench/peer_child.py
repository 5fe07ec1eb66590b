"""The other side of `peer`, in a process and a virtual environment of its own: pyas2lib, a library for signed messages
with signed receipts (AS2, RFC 4130). It is under the GPL, so no process of ours loads it; this file runs there alone.
In: one JSON object a line: a size and how many rounds. Out: CPU seconds of each round: a message built and signed, read
and verified, its receipt signed, and that verified. Nothing is encrypted or compressed, nothing touches a disk."""

from __future__ import annotations

import importlib
import json
import re
import sys
from random import Random
from time import process_time
from types import ModuleType
from typing import Any
from unittest.mock import patch


def load_library() -> ModuleType:
    """Load the library: oscrypto 1.3, its base, finds no OpenSSL whose last number has two digits (3.0.15)."""
    search = re.search

    def patient(pattern: Any, text: Any, flags: int = 0) -> Any:
        longer = (
            pattern.replace(r"\d\.\d\.\d[a-z]*", r"\d\.\d\.\d+[a-z]*")
            if isinstance(pattern, str)
            else pattern
        )
        return search(longer, text, flags)

    with patch.object(re, "search", patient):
        return importlib.import_module("pyas2lib.as2")


def main(folder: str) -> None:
    as2 = load_library()
    ours, theirs = _read(f"{folder}/sender.pem"), _read(f"{folder}/receiver.pem")
    sender = as2.Organization(as2_name="sender", sign_key=ours, sign_key_pass="")
    receiver = as2.Organization(as2_name="receiver", sign_key=theirs, sign_key_pass="")
    to = as2.Partner(
        as2_name="receiver",
        verify_cert=_certificate(theirs),
        validate_certs=False,
        sign=True,
        mdn_mode="SYNC",
        mdn_digest_alg="sha256",
    )
    peer = as2.Partner(as2_name="sender", verify_cert=_certificate(ours), validate_certs=False, sign=True)
    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        content = Random(request["size"]).randbytes(request["size"])
        _say({"cpu": [_round(as2, content, sender, receiver, to, peer) for _ in range(request["rounds"])]})


# Any: the library's types are not loaded
def _round(as2: ModuleType, content: bytes, sender: Any, receiver: Any, to: Any, peer: Any) -> float:
    begun = process_time()
    sent = as2.Message(sender, to)
    sent.build(content, filename="van-ban.pdf", content_type="application/octet-stream")
    received = as2.Message()
    status, error, receipt = received.parse(
        sent.headers_str + b"\r\n" + sent.content,
        find_org_cb=lambda _: receiver,
        find_partner_cb=lambda _: peer,
        find_message_cb=lambda *_: False,
    )
    assert status == "processed", error
    back = as2.Mdn()
    status, detail = back.parse(
        receipt.headers_str + b"\r\n" + receipt.content, find_message_cb=lambda *_: sent
    )
    spent = process_time() - begun
    assert status == "processed", detail
    assert received.content == content, "what came is not what was sent"
    return spent


def _read(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()


def _certificate(both: bytes) -> bytes:
    return both[both.index(b"-----BEGIN CERTIFICATE-----") :]


def _say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
