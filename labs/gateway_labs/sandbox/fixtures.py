"""Files to try a reader with: packets of every kind, good and bad, PDFs signed and changed, a trust folder for them, and an
index with the answer that each must get. In: keys of robots, a moment. Out: names and bytes, made anew each time; none of
them is kept in the program. Blocks: call it in the pool."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.clock import SystemClock
from gateway.domain.document import Kind, Urgency
from gateway.domain.wall_clock import local
from gateway.words import labels
from gateway_labs.sandbox import packets, stage
from gateway_labs.sandbox.cast import Cast, cast
from gateway_labs.sandbox.packets import (
    BAD_SIGNATURE,
    BROKEN_FILE,
    CHANGED,
    ENTITY,
    NOT_XML,
    OTHER_CONTENT,
    TOO_LARGE,
    UNBOUND,
    WRONG_RECIPIENT,
    DocumentReference,
    Saying,
)
from gateway_labs.sandbox.stage import RobotKeys

ARCHIVE = "gateway-fixtures.zip"
INDEX = "index.json"
_ROBOT, _NUMBER, _URGENT = "T00.OK", "77", "78"
_STATUSES = ("01", "02", "03", "04", "05", "06", "13", "15", "16")
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Expected outcome of a packet: `verify` is `valid` or the code of the step that refuses it, `answers` the statuses
    that its sender must get, `becomes` one word."""

    verify: str
    answers: tuple[str, ...]
    becomes: str


_ADMITTED = Expected(verify="valid", answers=("01",), becomes="admitted")
_ACCEPTED_STATUS = Expected(verify="valid", answers=(), becomes="believed")


def _refused(code: str) -> Expected:
    return Expected(verify=code, answers=(), becomes="quarantined")


_BAD: Mapping[str, Expected] = {
    BAD_SIGNATURE: _refused("SIG-VALUE"),
    CHANGED: _refused("SIG-DIGEST"),
    UNBOUND: _refused("SIG-PIN"),
    NOT_XML: _refused("ENV-NOT-XML"),
    ENTITY: _refused("ENV-FORBIDDEN"),
    WRONG_RECIPIENT: Expected(verify="valid", answers=("02",), becomes="refused"),
    TOO_LARGE: Expected(verify="valid", answers=("01",), becomes="held"),
    BROKEN_FILE: Expected(verify="valid", answers=("01",), becomes="held"),
    # A clerk decides which of the two holds; until then its sender gets no answer.
    OTHER_CONTENT: Expected(verify="valid", answers=(), becomes="held"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    name: str
    kind: str
    raw: bytes
    expected: Expected
    title: str


def archive(
    players: Cast, keys: RobotKeys, bound: Mapping[str, x509.Certificate], roots: bytes, lead: bytes
) -> bytes:
    """Pack all of them into one ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in files(players, keys, bound, roots, lead):
            file.writestr(name, raw)
    return out.getvalue()


def write(folder: Path) -> int:
    """Write the files into a folder, under an authority made for the occasion; return how many packets."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="gateway-fixtures-") as temporary:
        place = Path(temporary)
        settings = stage.settings_for(place, 0)
        keys, bound, roots = stage.strangers(settings, place, clock)
        count = 0
        for name, raw in files(cast(), keys, bound, roots, stage.lead(place)):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(raw)
            count += name.endswith(".edxml")
    return count


def files(
    players: Cast, keys: RobotKeys, bound: Mapping[str, x509.Certificate], roots: bytes, lead: bytes
) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes: `good/`, `bad/`, `pdf/`, `trust/`, and the index."""
    rows = []
    for fixture in _fixtures(players, keys, keys.clock.now(), lead):
        rows.append(
            {
                "file": fixture.name,
                "kind": fixture.kind,
                "title": fixture.title,
                "verify": fixture.expected.verify,
                "exit": 0 if fixture.expected.verify == "valid" else 7,
                "answers": list(fixture.expected.answers),
                "becomes": fixture.expected.becomes,
            }
        )
        yield fixture.name, fixture.raw
    yield from _pdfs(lead)
    yield "trust/ca.pem", roots
    table = io.StringIO(newline="")
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(("code", "certificate"))
    for code, certificate in sorted(bound.items()):
        yield f"trust/{code}.pem", certificate.public_bytes(serialization.Encoding.PEM)
        lines.writerow((code, f"{code}.pem"))
    yield "trust/bindings.csv", table.getvalue().encode()
    index = {"test": True, "from": _ROBOT, "to": players.code, "packets": rows}
    yield INDEX, json.dumps(index, ensure_ascii=False, indent=2).encode()


def _pdfs(lead: bytes) -> Iterator[tuple[str, bytes]]:
    yield "pdf/signed.pdf", lead
    # One byte of the text itself is changed, so that the signed content is no longer there.
    middle = lead.index(b"stream\n") + 40
    yield "pdf/changed-after-signing.pdf", lead[:middle] + bytes([lead[middle] ^ 1]) + lead[middle + 1 :]


@dataclass(kw_only=True)
class _Maker:
    """Maker of fixtures that the robot sends at one moment; each has a number of its own."""

    players: Cast
    keys: RobotKeys
    at: datetime
    lead: bytes
    count: int = 0

    def make(self, name: str, kind: Kind, expected: Expected, **fields: object) -> Fixture:
        self.count += 1
        robot = self.players.robots[_ROBOT]
        flaws: Sequence[str] = fields.pop("flaws", ())  # type: ignore[assignment]  # as `_fixtures` passes it
        number = str(fields.pop("number", 100 + self.count))
        has_files = kind not in (Kind.STATUS, Kind.RECALL)
        saying = Saying(
            kind=kind,
            packet_id=self.keys.clock.new_id("pkt_"),
            to=self.players.code,
            at=self.at,
            number=number,
            subject=self.players.says("subject", name=robot.agency.name),
            files=packets.files_for(flaws, self.lead, 10 * _MB) if has_files else (),
            flaws=tuple(flaws),
            **fields,  # type: ignore[arg-type]  # fields of a Saying
        )
        packet = packets.write(self.players, robot.agency, saying, self.keys.signer(_ROBOT, flaws))
        title = labels.say(f"sandbox.fixture.{name.rpartition('/')[2].partition('.')[0]}", "vi")
        return Fixture(name=name, kind=kind.value, raw=packet.raw, expected=expected, title=title)

    def sent(self, number: str) -> DocumentReference:
        """Describe one of the fixtures as the subject of another one."""
        symbol, day = self.players.says("symbol"), local(self.at).date()
        return DocumentReference(
            document_id=packets.document_id(self.players.robots[_ROBOT].agency, day, number, symbol),
            code=f"{number}/{symbol}",
            issued_on=day,
            sender=_ROBOT,
        )

    def received(self) -> DocumentReference:
        """Describe a document that the robot has from the agency."""
        symbol, day = self.players.says("symbol"), local(self.at - timedelta(days=1)).date()
        return DocumentReference(
            document_id=f"{self.players.code},{day:%Y/%m/%d},1/{symbol}",
            code=f"1/{symbol}",
            issued_on=day,
            sender=self.players.code,
        )


def _fixtures(players: Cast, keys: RobotKeys, at: datetime, lead: bytes) -> Iterator[Fixture]:
    maker = _Maker(players=players, keys=keys, at=at, lead=lead)
    own, yours = maker.sent(_NUMBER), maker.received()
    yield maker.make("good/document.edxml", Kind.DOCUMENT, _ADMITTED, number=_NUMBER)
    yield maker.make("good/urgent.edxml", Kind.DOCUMENT, _ADMITTED, number=_URGENT, urgency=Urgency.EXPRESS)
    yield maker.make("good/reply.edxml", Kind.DOCUMENT, _ADMITTED, document=yours)
    yield maker.make("good/update.edxml", Kind.UPDATE, _ADMITTED, document=own)
    yield maker.make("good/replacement.edxml", Kind.REPLACEMENT, _ADMITTED, document=own)
    recalled = Expected(verify="valid", answers=("01", "15"), becomes="admitted")
    yield maker.make("good/recall.edxml", Kind.RECALL, recalled, document=maker.sent(_URGENT))
    for code in _STATUSES:
        subject = own if code == "13" else yours
        yield maker.make(
            f"good/status-{code}.edxml", Kind.STATUS, _ACCEPTED_STATUS, code=code, document=subject
        )
    for flaw, expected in _BAD.items():
        number = _NUMBER if flaw == OTHER_CONTENT else str(200 + maker.count)
        yield maker.make(f"bad/{flaw}.edxml", Kind.DOCUMENT, expected, number=number, flaws=(flaw,))
    yield maker.make(
        "bad/status-bad-signature.edxml",
        Kind.STATUS,
        _refused("SIG-VALUE"),
        code="03",
        document=yours,
        flaws=(BAD_SIGNATURE,),
    )
