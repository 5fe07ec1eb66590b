"""One way to read a client certificate, or none: from a proxy's header and from a file."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.policy import client_certificate
from gateway.policy.client_certificate import LARGEST, LONGEST, NotACertificate
from tests.support import client_certificates as made
from tests.support.cases import Cases

PROGRAM, OTHER = made.program(), made.program("other")
DER = made.der(PROGRAM)
PRIVATE = "-----BEGIN%20PRIVATE%20KEY-----%0AAA%3D%3D%0A-----END%20PRIVATE%20KEY-----"


def test_both_forms_of_a_proxy_give_the_same_certificate_and_an_empty_header_none() -> None:
    bare, nginx = made.header(PROGRAM), made.nginx(PROGRAM)
    for text in (bare, f"  {bare} ", nginx, nginx[:-3]):
        certificate = client_certificate.read_header([text])
        assert certificate is not None
        assert (certificate.sha256, certificate.name) == (hashlib.sha256(DER).hexdigest(), "qlvb")
        assert certificate.begins_at == PROGRAM.certificate.not_valid_before_utc
        assert certificate.ends_at == PROGRAM.certificate.not_valid_after_utc
    for values in ([], [""], ["  "]):
        assert client_certificate.read_header(values) is None


def _b64(raw: bytes) -> str:
    return f":{base64.b64encode(raw).decode()}:"


def test_what_is_not_exactly_one_certificate_is_refused(cases: Cases) -> None:
    rows = [
        ([made.header(PROGRAM)] * 2, "certificate-twice"),
        (["", made.header(PROGRAM)], "certificate-twice"),
        ([f"{made.header(PROGRAM)}, {made.header(OTHER)}"], "certificate-several"),
        ([made.nginx(PROGRAM) + made.nginx(OTHER)], "certificate-several"),
        ([_b64(b"x" * LONGEST)], "certificate-long"),
        ([made.nginx(PROGRAM) + "%0A" * LONGEST], "certificate-long"),
        ([made.header(PROGRAM).strip(":")], "certificate-unread"),
        ([f"{made.header(PROGRAM)};a=1"], "certificate-unread"),
        ([_b64(DER + b"\0")], "certificate-unread"),
        ([_b64(DER[:-1])], "certificate-unread"),
        ([_b64(made.pem(PROGRAM))], "certificate-unread"),
        ([made.nginx(PROGRAM) + "rest"], "certificate-unread"),
        *(([text], "certificate-unread") for text in (PRIVATE, ":", "::", ":é:", ":\udcff:", "(null)")),
    ]
    for values, code in rows:
        with cases.case((code, [value[:40] for value in values])), pytest.raises(NotACertificate) as caught:
            client_certificate.read_header(values)
        assert caught.value.code == code


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # of a library that will refuse it one day
@given(
    st.binary(max_size=200) | st.integers(0, len(DER) - 1).map(lambda at: DER[:at] + b"\xff" + DER[at + 1 :])
)
@example(DER[:15] + b"\xff" + DER[16:])  # a serial number below zero
def test_whatever_bytes_come_it_is_a_certificate_or_it_is_refused(raw: bytes) -> None:
    for text in (_b64(raw), raw.decode("latin-1")):
        with suppress(NotACertificate):
            certificate = client_certificate.read_header([text])
            assert certificate is None or certificate.name.isprintable()


def test_a_file_may_be_pem_or_der_and_say_more_around_it() -> None:
    bag_attributes = b"Bag Attributes\n  friendlyName: qlvb\n"

    certificates = [
        client_certificate.read_file(x) for x in (DER, made.pem(PROGRAM), bag_attributes + made.pem(PROGRAM))
    ]

    assert {x.sha256 for x in certificates} == {hashlib.sha256(DER).hexdigest()}


def test_a_file_of_anything_else_is_refused_and_a_private_key_by_name() -> None:
    key, plain = PROGRAM.private_key, NoEncryption()
    private = (
        made.pem(PROGRAM) + made.key_pem(PROGRAM),
        made.key_pem(PROGRAM),
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, plain),
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, plain),
        serialize_key_and_certificates(b"qlvb", key, PROGRAM.certificate, None, plain),
    )
    for raw, code in (
        *((raw, "certificate-private") for raw in private),
        (made.pem(PROGRAM) + made.pem(made.authority()), "certificate-several"),
        (b"x" * (LARGEST + 1), "certificate-long"),
        (b"no certificate", "certificate-unread"),
        (b"", "certificate-unread"),
    ):
        with pytest.raises(NotACertificate) as caught:
            client_certificate.read_file(raw)
        assert caught.value.code == code
