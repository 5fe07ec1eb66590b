"""Files that attack a parser (threats 1 to 16 and 97), through the same entry as every envelope. Each must be refused
with its code, with nothing opened and nobody called."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile import forge
from tests.support import envelopes
from tests.support.cases import Cases

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
QCVN = b'<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'


class Listener:
    """A local port that counts who connects: libxml2 would call from C, past any patched module."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.calls = 0
        self._open = True
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    new_listener = Listener()
    yield new_listener
    new_listener.close()


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: whoever opens it waits until the test is killed."""
    path = tmp_path / "secret"
    os.mkfifo(path)
    return path


def _with_doctype(doctype: str, inside: bytes = b"") -> bytes:
    return DECLARATION + f"<!DOCTYPE a {doctype}>".encode() + QCVN + inside + b"</edXML>"


def test_threats_001_002_005_no_entity_and_no_doctype_opens_a_file_or_calls_anybody(
    listener: Listener, trap: Path
) -> None:
    url = f"http://127.0.0.1:{listener.port}/x.dtd"
    for data in (
        _with_doctype(f'[<!ENTITY x SYSTEM "file://{trap}">]', b"&x;"),
        _with_doctype(f'[<!ENTITY % x SYSTEM "{url}"> %x;]'),
        _with_doctype(f'SYSTEM "{url}"'),
    ):
        assert forge.judge(data).code == "ENV-FORBIDDEN"
    assert listener.calls == 0


def test_threat_006_nothing_that_names_an_address_is_fetched(listener: Listener, trap: Path) -> None:
    """XInclude and schemaLocation are ignored words; here they also break the signature or the dialect."""
    native, body = envelopes.native(), b"<edXML:edXMLBody>"
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{trap}"></xi:include>'
    location = (
        '<edXML:edXMLBody xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="urn:x http://127.0.0.1:{listener.port}/x">'
    )

    included = forge.judge(native.replace(body, body + include.encode()))
    located = forge.judge(forge.resign(native.replace(body, location.encode()), native))

    assert (included.code, located.path) == ("ENV-DIALECT", "general")
    assert listener.calls == 0


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
    return _with_doctype(f'[<!ENTITY l0 "ha">{entities}]', b"&l29;")


def _quadratic() -> bytes:
    return _with_doctype(f'[<!ENTITY x "{"a" * 100_000}">]', b"&x;" * 10_000)


def _attributes(n: int, form: bytes = b'a%d=""') -> bytes:
    return DECLARATION + b"<edXML " + b" ".join(form % i for i in range(n)) + b"></edXML>"


OTHER_DEFAULT = b'<edXMLEnvelope xmlns="urn:x"></edXMLEnvelope>'
TWO_PREFIXES = b'<a xmlns:p="urn:n" xmlns:q="urn:n" p:x="" q:x=""/>'
CASES: list[tuple[str, bytes, str]] = [
    ("03-billion-laughs", _laughs(), "ENV-FORBIDDEN"),
    ("04-quadratic", _quadratic(), "ENV-FORBIDDEN"),
    ("05-empty-doctype", DECLARATION + b"<!DOCTYPE edXML>" + QCVN + b"</edXML>", "ENV-FORBIDDEN"),
    ("05-undeclared-entity", DECLARATION + QCVN + b"&nbsp;</edXML>", "ENV-FORBIDDEN"),
    ("07-deep", DECLARATION + QCVN + b"<a>" * 100_000, "ENV-LIMIT"),
    ("07-deep-by-one", DECLARATION + QCVN + b"<a>" * 64 + b"</a>" * 64 + b"</edXML>", "ENV-LIMIT"),
    ("08-giant-attribute", DECLARATION + b'<edXML a="' + b"x" * 20_000_000 + b'"></edXML>', "ENV-LIMIT"),
    ("08-many-attributes", _attributes(100_000), "ENV-LIMIT"),
    ("08-many-declarations", _attributes(100_000, b'xmlns:a%d="urn:x"'), "ENV-LIMIT"),
    ("08-giant-name", DECLARATION + b"<" + b"a" * 5_000_000 + b"/>", "ENV-LIMIT"),
    ("09-equal-attributes", DECLARATION + b'<edXML a="1" a="2"></edXML>', "ENV-NOT-XML"),
    ("10-invalid-utf-8", DECLARATION + QCVN + b"\xff</edXML>", "ENV-ENCODING"),
    ("10-overlong", DECLARATION + QCVN + b"\xc0\xaf</edXML>", "ENV-ENCODING"),
    ("10-surrogate", DECLARATION + QCVN + b"\xed\xa0\x80</edXML>", "ENV-ENCODING"),
    ("10-nul", DECLARATION + QCVN + b"\0</edXML>", "ENV-NOT-XML"),
    ("10-fffe", DECLARATION + QCVN + b"\xef\xbf\xbe</edXML>", "ENV-NOT-XML"),
    ("11-utf-16-mark", b"\xff\xfe" + DECLARATION + QCVN + b"</edXML>", "ENV-ENCODING"),
    ("11-says-utf-16", DECLARATION.replace(b"UTF-8", b"UTF-16") + QCVN + b"</edXML>", "ENV-ENCODING"),
    ("11-says-utf-7", DECLARATION.replace(b"UTF-8", b"UTF-7") + QCVN + b"</edXML>", "ENV-ENCODING"),
    ("12-control-by-reference", DECLARATION + QCVN + b"&#8;</edXML>", "ENV-NOT-XML"),
    ("14-wrong-namespace", DECLARATION + b'<edXML xmlns="urn:other"></edXML>', "ENV-DIALECT"),
    ("14-no-namespace", DECLARATION + b"<edXML></edXML>", "ENV-DIALECT"),
    ("14-default-redeclared", DECLARATION + QCVN + OTHER_DEFAULT + b"</edXML>", "ENV-DIALECT"),
    ("14-prefix-unbound", DECLARATION + b"<x:edXML></x:edXML>", "ENV-NOT-XML"),
    ("15-empty", b"", "ENV-NOT-XML"),
    ("15-leading-junk", b"x" + DECLARATION + QCVN + b"</edXML>", "ENV-NOT-XML"),
    ("15-two-roots", DECLARATION + QCVN + b"</edXML>" + QCVN + b"</edXML>", "ENV-NOT-XML"),
    ("15-two-documents", (DECLARATION + QCVN + b"</edXML>") * 2, "ENV-NOT-XML"),
    ("15-zip", b"PK\x03\x04" + bytes(100), "ENV-NOT-XML"),
    ("97-xml-prefix-rebound", DECLARATION + b'<edXML xmlns:xml="urn:x"></edXML>', "ENV-NOT-XML"),
    ("31-namespace-that-is-no-uri", DECLARATION + b'<edXML xmlns:q="http://["></edXML>', "ENV-NOT-XML"),
    ("97-two-colons", DECLARATION + b'<a:b:c xmlns:a="urn:a"></a:b:c>', "ENV-NOT-XML"),
    ("97-attribute-doubled-by-namespace", DECLARATION + TWO_PREFIXES, "ENV-NOT-XML"),
    ("97-name-of-the-fifth-edition", DECLARATION + "<a\u2c10\u0487/>".encode(), "ENV-NOT-XML"),
    ("97-prefix-undeclared", DECLARATION + b'<a xmlns:b=""/>', "ENV-NOT-XML"),
    ("97-depth-300", DECLARATION + QCVN + b"<a>" * 300 + b"</a>" * 300 + b"</edXML>", "ENV-LIMIT"),
]


def test_an_attack_on_the_parser_is_refused_with_its_code(cases: Cases) -> None:
    """An expansion or a quadratic step would take minutes."""
    for name, data, code in CASES:
        with cases.case(name):
            verdict = forge.judge(data)
            assert (verdict.path, verdict.code) == (None, code)


def test_threat_016_every_prefix_of_a_good_file_and_a_size_that_lies_are_refused() -> None:
    native = envelopes.native(envelopes.status(), signer=forge.SIGNER)

    for length in [*range(0, len(native), 97), len(native) - 1]:
        assert forge.judge(native[:length]).path is None, length

    # The transport's word for the size is not believed: what was not read to its end is not confirmed.
    native = envelopes.native()
    assert [forge.judge(native + b" " * extra).path == "fast" for extra in (0, 1)] == [True, False]


def test_threat_100_a_file_over_the_general_limit_is_not_read_twice() -> None:
    """G1: the costly path has its own limit, below that of native files."""
    data = DECLARATION + b"<x>" + b" " * (33 << 20) + b"</x>"

    verdict = forge.judge(data)

    assert verdict.code == "ENV-TOO-LARGE"
    assert verdict.step == 1


def test_no_python_code_opens_a_socket_while_an_envelope_is_judged() -> None:
    """The guard beside the listeners: every connect in this process is seen by the audit hook."""
    events: list[str] = []
    watching = True

    def hook(event: str, arguments: object) -> None:
        if watching and event.startswith("socket.") and threading.current_thread() is threading.main_thread():
            events.append(event)

    sys.addaudithook(hook)
    forge.judge(envelopes.native())
    forge.judge(envelopes.native() + b"\n")
    watching = False

    assert events == []


def _tag_of(size: int, native: bytes) -> bytes:
    """An owner's start tag of that many bytes, in an element whose prefix stands for a long namespace."""
    blank = b'<edXML:Subject a=">">'
    tag = blank[:-2] + b"x" * (size - len(blank)) + blank[-2:]
    return forge.resign(forge.swap(b"<edXML:Subject>", tag)(native), native)


def test_f3_a_start_tag_is_measured_as_it_is_written() -> None:
    codes = {size: forge.judge(_tag_of(size, envelopes.native())).code for size in (1024, 1025)}
    assert codes == {1024: None, 1025: "ENV-LIMIT"}


def test_g2_the_number_of_attributes_has_no_limit_of_its_own_on_the_general_path() -> None:
    native = envelopes.native()
    attributes = b" ".join(b'a%d=""' % n for n in range(100))
    data = forge.resign(
        forge.swap(b"<edXML:Subject>", b"<edXML:Subject " + attributes + b">")(native), native
    )

    assert forge.judge(data) == forge.Verdict("general", None)
    assert forge.xmlsec_valid(data)


def test_f3_a_signature_is_measured_with_both_its_tags() -> None:
    native, most = envelopes.native(), 256 * 1024
    for size, code in ((most, None), (most + 1, "ENV-LIMIT")):
        pad = size - len(forge.split(native)[1]) - len(b"<ds:X509SubjectName></ds:X509SubjectName>")
        name = b"<ds:X509SubjectName>" + b"x" * pad + b"</ds:X509SubjectName>"
        data = forge.resign(
            forge.swap(b"<ds:X509Certificate>", name + b"<ds:X509Certificate>")(native), native
        )
        assert len(forge.split(data)[1]) == size
        assert forge.judge(data).code == code
