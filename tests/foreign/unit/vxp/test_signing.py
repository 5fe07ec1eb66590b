"""The headers of the national axis, to the letter of what its library writes."""

from __future__ import annotations

import hashlib
import hmac
import io
from datetime import UTC, datetime

from gateway_foreign.vxp import signing

AT = datetime(2031, 3, 4, 2, 15, 0, 42_000, tzinfo=UTC)


def test_the_signed_headers_are_one_text_and_a_code_over_it() -> None:
    headers = signing.headers("a.b.01", "bí mật", AT, "application/json", {"docId": 'x"\\'})

    text = (
        '{"XroadVnpt-systemid":"a.b.01","XroadVnpt-timestamp":"04032031T091500+0042",'
        '"XroadVnpt-Content-Type":"application/json","XroadVnpt-docId":"x\\"\\\\"}'
    )
    assert headers["XroadVnpt-sign-header"] == text
    assert headers["XroadVnpt-sign-header-key"] == "systemid;timestamp;Content-Type;docId"
    assert (
        headers["XroadVnpt-hash-header"]
        == hmac.new("bí mật".encode(), text.encode(), hashlib.sha256).hexdigest()
    )
    assert headers["XroadVnpt-version"] == "3.0.201608"
    assert headers["User-Agent"] == "JAVASDKAgent/1.0.0 XRoad/VPCP"
    assert headers["Content-Type"] == headers["XroadVnpt-Content-Type"]


def test_letters_beyond_ascii_stay_and_a_line_end_makes_no_header() -> None:
    headers = signing.headers("s", "k", AT, "x", {"from": "Đơn vị\r\nEvil: 1"})

    assert headers["XroadVnpt-from"] == "Đơn vị Evil: 1"
    assert '"XroadVnpt-from":"Đơn vị Evil: 1"' in headers["XroadVnpt-sign-header"]


def test_the_digest_of_a_file_lacks_the_zeros_of_small_bytes() -> None:
    raw = next(str(n).encode() for n in range(1000) if b"\x05" in hashlib.sha256(str(n).encode()).digest())
    digest = hashlib.sha256(raw).digest()

    file_digest = signing.file_digest(io.BytesIO(raw))

    assert len(file_digest) < 64
    assert file_digest == "".join(hex(byte)[2:] for byte in digest)
