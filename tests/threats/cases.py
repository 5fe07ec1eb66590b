"""Every file that stands for a threat, with the code it must end in; None where it must be admitted. In: the tables of
`tests.hostile` and some of their own. Out: `CASES`. Each case is made from a good file of its own, so that one node can be
given all of them, one after the other."""

from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gateway.edxml.envelope import Envelope, Organisation
from tests.hostile import (
    test_forged_signature,
    test_keys_and_values,
    test_moved_signature,
    test_not_canonical,
    test_parser,
    wrapped,
)
from tests.hostile.forge import Mutation, behind, swap
from tests.support import envelopes, pki
from tests.support.packets import PDF
from tests.threats.doors import Routing
from tests.threats.ground import ELLIPTIC, NOW, RSA, STRANGER, WEAK, letter

FILES: envelopes.Files = (("cong-van.pdf", PDF), ("phu-luc-1.txt", "Phụ lục một\n".encode()))
HELD_WORD = "held"
"""A file that the clerk has to look at, in a packet that is good."""
Make = Callable[["Letter"], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A good packet that is no other case's. `now`: by the clock of who will judge it."""

    n: int
    now: datetime = NOW

    @property
    def routing(self) -> Routing:
        return Routing(packet_id=f"01JZ{self.n:022d}")

    def model(self, files: envelopes.Files = FILES, **changes: object) -> Envelope:
        return letter(int(f"{self.n}118"), files, **changes)

    def signed(
        self,
        model: Envelope | None = None,
        files: envelopes.Files = FILES,
        signer: pki.KeySigner = RSA,
        late: timedelta = timedelta(),
    ) -> bytes:
        """Sign a document or another model; `late` is how long after the usual moment it says that it was signed."""
        at = envelopes.SIGNED_AT + late
        packet_id = self.routing.packet_id
        return envelopes.native(model or self.model(files), files, signer=signer, at=at, packet_id=packet_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way in which a threat comes."""

    threat: int
    name: str
    make: Make
    code: str | None

    @property
    def id(self) -> str:
        return f"{self.threat:03d}-{self.name}"


def _stolen(mutate: Mutation) -> Make:
    """Change a good file without having the key."""
    return lambda letter: mutate(letter.signed())


def _owned(mutate: Mutation, *, raw: bool = False) -> Make:
    """Return a maker that changes a file and signs it as the owner of the key: its canonical form, or its raw bytes."""
    return lambda letter: test_not_canonical.resigned(mutate, letter.signed(), raw=raw)


def _bytes(data: bytes) -> Make:
    return lambda _: data


def _from(rows: Iterable[tuple[str, Mutation, str]], how: Callable[[Mutation], Make]) -> Iterator[Case]:
    for name, mutate, code in rows:
        threat, _, case_name = name.partition("-")
        if threat.isdigit() and not case_name.startswith("two-sender"):
            expected_code = None if code == test_not_canonical.GENERAL else code
            yield Case(threat=int(threat), name=case_name, make=how(mutate), code=expected_code)


def _parsers() -> Iterator[Case]:
    for name, data, code in test_parser.CASES:
        yield Case(threat=int(name[:2]), name=name[3:], make=_bytes(data), code=code)


def _signatures() -> Iterator[Case]:
    yield from _from(test_forged_signature.OWNED, _owned)
    yield from _from(test_forged_signature.STOLEN, _stolen)
    yield from _from(test_moved_signature.CASES, _stolen)


def _canonical() -> Iterator[Case]:
    yield from _from(test_not_canonical.CASES, _owned)
    raw = (row for row in test_not_canonical.CASES if row[0] not in test_not_canonical.SAME_BODY)
    for case in _from(raw, lambda mutate: _owned(mutate, raw=True)):
        yield replace(case, name=f"{case.name}-signed-raw", code=case.code or "SIG-DIGEST")


_WRAPPED = {
    "19-xsw1": "SIG-STRUCTURE",
    "20-xsw2": "SIG-DIGEST",
    "21-xsw3": "SIG-DIGEST",
    "22-xsw4": "SIG-DIGEST",
    "23-xsw5": "SIG-PLACE",
    "24-xsw6": "SIG-STRUCTURE",
    "25-xsw7": "ENV-DIALECT",
    "26-xsw8": "SIG-STRUCTURE",
}


def _wrapped() -> Iterator[Case]:
    for name, code in _WRAPPED.items():
        make = partial(_wrapped_as, variant=name)
        yield Case(threat=int(name[:2]), name=name[3:], make=make, code=code)


def _wrapped_as(letter: Letter, variant: str) -> bytes:
    return wrapped.wrapped(letter.signed(), variant)


def _values() -> Iterator[Case]:
    for change in ("r-zero", "s-zero", "65-bytes", "short", "r-plus-order", "other", "high-s"):

        def make(letter: Letter, change: str = change) -> bytes:
            return test_keys_and_values.with_value(letter.signed(signer=ELLIPTIC), change)

        high = change == "high-s"
        yield Case(threat=98 if high else 37, name=change, make=make, code=None if high else "SIG-VALUE")
    for kind, signer in WEAK.items():

        def weak(letter: Letter, signer: pki.KeySigner = signer) -> bytes:
            sender = Organisation(organ_id=STRANGER, organ_name="Cơ quan Mẫu")
            return letter.signed(letter.model(sender=sender), signer=signer)

        code = "SIG-ALGORITHM" if kind == "p384" else "SIG-WEAK"
        yield Case(threat=33, name=kind, make=weak, code=code)


def _entity(content: bytes) -> bytes:
    return test_parser.DECLARATION + b"<!DOCTYPE a [" + content + b"]>" + test_parser.QCVN + b"&x;</edXML>"


_BODY = b"<edXML:edXMLBody>"
_INCLUDE = b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hostname"></xi:include>'
_MD5, _DSA = b"http://www.w3.org/2001/04/xmldsig-more#md5", b"http://www.w3.org/2000/09/xmldsig#dsa-sha1"


def _words() -> Iterator[Case]:
    """Yield cases that no other suite has, as rows of the same form."""
    owned: list[tuple[str, Mutation, str]] = [
        ("06-xinclude", behind(_BODY, _INCLUDE), "ENV-DIALECT"),
        ("32-md5-digest", swap(test_forged_signature.DIGEST, _MD5), "SIG-ALGORITHM"),
        ("32-dsa", swap(test_forged_signature.METHOD, _DSA), "SIG-ALGORITHM"),
        (
            "14-prefix-of-another-namespace",
            swap(_BODY, _BODY[:-1] + b' xmlns:edXML="urn:other">'),
            "ENV-DIALECT",
        ),
    ]
    yield from _from(owned, _owned)
    general = _entity(b'<!ENTITY x SYSTEM "file:///etc/hostname">')
    parameter = _entity(b'<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;')
    names = b" ".join(b'a%c%c=""' % (65 + n // 26, 97 + n % 26) for n in range(600))
    attributes = test_parser.DECLARATION + b"<edXML " + names + b"></edXML>"
    yield Case(threat=1, name="general-entity", make=_bytes(general), code="ENV-FORBIDDEN")
    yield Case(threat=2, name="parameter-entity", make=_bytes(parameter), code="ENV-FORBIDDEN")
    yield Case(threat=9, name="many-names", make=_bytes(attributes), code="ENV-LIMIT")
    for share in (1, 25, 50, 75, 99):

        def cut(letter: Letter, share: int = share) -> bytes:
            native = letter.signed()
            return native[: len(native) * share // 100]

        yield Case(threat=16, name=f"cut-at-{share}", make=cut, code="ENV-NOT-XML")


_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def _times() -> Iterator[Case]:
    rows: list[tuple[str, timedelta, str | None]] = [
        ("ten-minutes-ahead", 10 * _MINUTE, None),
        ("eleven-minutes-ahead", 11 * _MINUTE, "SIG-TIME"),
        ("a-day-ahead", _DAY, "SIG-TIME"),
        ("two-days-ahead", 2 * _DAY, "SIG-TIME"),
        ("thirty-days-ago", -30 * _DAY, None),
        ("thirty-one-days-ago", -31 * _DAY, "SIG-TIME"),
    ]
    for name, ahead, code in rows:

        def make(letter: Letter, ahead: timedelta = ahead) -> bytes:
            return letter.signed(late=letter.now - envelopes.SIGNED_AT + ahead)

        yield Case(threat=49, name=name, make=make, code=code)


_FIRST, _SECOND = (f"cid:{envelopes.uuid_of(n)}".encode() for n in (1, 2))
_LINE, _PART = b"<edXML:ContentId>", b"<ContentId>"


def _line(n: int) -> Callable[[bytes], bytes]:
    return lambda data: data.split(b"<edXML:Reference>")[n].split(b"</edXML:Reference>")[0]


def _without_line(n: int) -> Mutation:
    def mutate(data: bytes) -> bytes:
        return data.replace(b"<edXML:Reference>" + _line(n)(data) + b"</edXML:Reference>", b"", 1)

    return mutate


def _repeat_line(n: int, content_id: bytes, name: bytes) -> Mutation:
    """Return a mutation that adds an entry to the manifest, like the n-th one but for its id and name."""

    def mutate(data: bytes) -> bytes:
        own = _line(n)(data)
        other = own.replace(_FIRST, content_id).replace(b"cong-van.pdf", name)
        return behind(own + b"</edXML:Reference>", b"<edXML:Reference>" + other + b"</edXML:Reference>")(data)

    return mutate


def _both(*changes: Mutation) -> Mutation:
    def mutate(data: bytes) -> bytes:
        for change in changes:
            data = change(data)
        return data

    return mutate


def _renamed(content_id: bytes) -> Mutation:
    """Return a mutation that spells the manifest's first id so; the names still agree."""
    return swap(_LINE + _FIRST, _LINE + content_id)


_OTHER_NAME = swap(b"<AttachmentName>cong-van.pdf", b"<AttachmentName>khac.pdf")


def _manifests() -> Iterator[Case]:
    """Yield files that an owner may sign although their parts do not fit together."""
    rows: list[tuple[str, Mutation, str]] = [
        ("66-one-more-announced", _repeat_line(1, b"cid:x", b"them.pdf"), "ENV-DIALECT"),
        ("66-none-came", _without_parts, "ENV-DIALECT"),
        ("67-entry-without-attachment", _without_part(2), "ENV-DIALECT"),
        ("68-content-id-twice", swap(_PART + _SECOND, _PART + _FIRST), "ENV-DIALECT"),
        ("68-content-id-twice-in-the-manifest", swap(_LINE + _SECOND, _LINE + _FIRST), "ENV-DIALECT"),
        ("69-attachment-without-entry", _without_line(2), "ENV-DIALECT"),
        ("71-two-entries-for-one", _repeat_line(1, _FIRST, b"cong-van.pdf"), "ENV-DIALECT"),
        *(
            (f"70-{content}-of-another-name", _both(_renamed(spelling), _OTHER_NAME), "ENV-DIALECT")
            for content, spelling in _SPELLINGS.items()
        ),
        *(
            (f"70-{content}-of-the-same-name", _renamed(spelling), test_not_canonical.GENERAL)
            for content, spelling in _SPELLINGS.items()
        ),
    ]
    yield from _from(rows, _owned)
    yield from _from([("71-attachment-changed", swap(b">JVBERi", b">JVBERj"), "SIG-DIGEST")], _stolen)


_SPELLINGS = {
    "angle-brackets": b"&lt;" + _FIRST + b"&gt;",
    "escapes": _FIRST.replace(b"-", b"%2D"),
    "capitals": _FIRST.upper(),
}


def _without_part(n: int) -> Mutation:
    def mutate(data: bytes) -> bytes:
        part = data.split(b"<Attachment>")[n].split(b"</Attachment>")[0]
        return data.replace(b"<Attachment>" + part + b"</Attachment>", b"", 1)

    return mutate


def _without_parts(data: bytes) -> bytes:
    a, b = data.index(b"<AttachmentEncoded>"), data.index(b"</AttachmentEncoded>")
    return data[:a] + data[b + len(b"</AttachmentEncoded>") :]


def _in_archive(change: Callable[[bytes], bytes]) -> Mutation:
    """Return a mutation that changes the packed second file before it becomes base64."""

    def mutate(data: bytes) -> bytes:
        text = data.rpartition(b"</edXML:ContentTransferEncoded>")[0].rpartition(b">")[2]
        return data.replace(text, b64encode(change(b64decode(text))))

    return mutate


def _changed_at(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


_TEXT = b'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">JVBERi'


def _more_cases() -> Iterator[Case]:
    """Yield cases that were found while the others were tried."""
    certificate = b"<ds:X509Certificate>" + b64encode(RSA.certificate_der) + b"</ds:X509Certificate>"
    rows: list[tuple[str, Mutation, str]] = [
        ("126-megabytes", behind(b"<ds:SignatureValue>", b"A" * 2_000_000), "ENV-LIMIT"),
        ("126-certificates", behind(b"<ds:X509Data>", certificate * 1000), "ENV-LIMIT"),
        ("126-few-certificates", behind(b"<ds:X509Data>", certificate * 20), "SIG-STRUCTURE"),
    ]
    yield from _from(rows, _stolen)
    yield from _from([("124-two-names", _OTHER_NAME, test_not_canonical.GENERAL)], _owned)

    def enclosed(letter: Letter) -> bytes:
        return letter.signed(files=(("kem.edxml", envelopes.native()),))

    yield Case(threat=125, name="signed-by-the-same", make=enclosed, code=HELD_WORD)


def _encodings() -> Iterator[Case]:
    """Yield files that are not base64 where it was promised. A file that cannot be opened is answered 02, because its
    sender is proved."""
    rows: list[tuple[str, Mutation, str]] = [
        ("72-white-space", swap(_TEXT, _TEXT[:-4] + b"\n  BE\tRi"), test_not_canonical.GENERAL),
        ("72-truncated", swap(_TEXT, _TEXT[:-1]), "DAMAGED"),
        ("72-padding-inside", swap(_TEXT, _TEXT[:-2] + b"=="), "DAMAGED"),
        ("72-alphabet-of-addresses", swap(_TEXT, _TEXT[:-1] + b"-"), "DAMAGED"),
        ("72-garbage", swap(_TEXT, _TEXT[:-1] + b"!"), "DAMAGED"),
        ("72-binary", swap(_TEXT, _TEXT[:-1] + "ế".encode()), "DAMAGED"),
        ("72-trailing-bits", swap(b"VPRgo=<", b"VPRgp=<"), "DAMAGED"),
        ("73-end-record", swap(b"AAAA</edXML:Content", b"AAAB</edXML:Content"), "DAMAGED"),
        ("73-sum", _in_archive(lambda raw: _changed_at(raw, raw.index(b"PK\x07\x08") + 4)), "DAMAGED"),
        ("73-size", _in_archive(lambda raw: _changed_at(raw, raw.index(b"PK\x07\x08") + 12)), "DAMAGED"),
        ("73-cut", _in_archive(lambda raw: raw[:-30]), "DAMAGED"),
        ("73-something-after", _in_archive(lambda raw: raw + b"more"), "DAMAGED"),
        ("73-something-before", _in_archive(lambda raw: b"MZ" + raw), HELD_WORD),
        ("73-plain-text", _in_archive(lambda raw: b"plain text"), test_not_canonical.GENERAL),
    ]
    yield from _from(rows, _owned)


def _all() -> Iterator[Case]:
    for tables in (
        _parsers,
        _words,
        _signatures,
        _canonical,
        _wrapped,
        _values,
        _times,
        _manifests,
        _encodings,
    ):
        yield from tables()
    yield from _more_cases()


CASES: tuple[Case, ...] = tuple(sorted(_all(), key=lambda case: case.id))
FIRST: tuple[Case, ...] = tuple(
    next(group) for _, group in itertools.groupby(CASES, key=lambda case: case.threat)
)
"""One case of each threat."""
