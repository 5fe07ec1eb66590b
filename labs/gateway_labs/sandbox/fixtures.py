"""Files to try a reader with: packets of every kind, good and bad, PDFs signed and changed, whom to trust for them, and
an index that says what each must be answered. In: keys of robots, a moment. Out: names and bytes, made anew each time;
none of them is kept in the program. Blocks: call it in the pool."""

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
    About,
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
    """What must become of a packet: `verify` is `valid` or the code of the step that refuses it, `answers` the statuses
    that its sender must hear, `becomes` one word."""

    verify: str
    answers: tuple[str, ...]
    becomes: str


_ADMITTED = Expected(verify="valid", answers=("01",), becomes="admitted")
_BELIEVED = Expected(verify="valid", answers=(), becomes="believed")


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
    # A clerk decides which of the two holds; until then nobody is told.
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
    told: Cast, keys: RobotKeys, bound: Mapping[str, x509.Certificate], roots: bytes, lead: bytes
) -> bytes:
    """All of them in one ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in files(told, keys, bound, roots, lead):
            file.writestr(name, raw)
    return out.getvalue()


def write(folder: Path) -> int:
    """Into a folder, under an authority made for the occasion; how many packets."""
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
    told: Cast, keys: RobotKeys, bound: Mapping[str, x509.Certificate], roots: bytes, lead: bytes
) -> Iterator[tuple[str, bytes]]:
    """Names and bytes: `good/`, `bad/`, `pdf/`, `trust/`, and the index."""
    rows = []
    for each in _fixtures(told, keys, keys.clock.now(), lead):
        rows.append(
            {
                "file": each.name,
                "kind": each.kind,
                "title": each.title,
                "verify": each.expected.verify,
                "exit": 0 if each.expected.verify == "valid" else 7,
                "answers": list(each.expected.answers),
                "becomes": each.expected.becomes,
            }
        )
        yield each.name, each.raw
    yield from _pdfs(lead)
    yield "trust/ca.pem", roots
    table = io.StringIO(newline="")
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(("code", "certificate"))
    for code, certificate in sorted(bound.items()):
        yield f"trust/{code}.pem", certificate.public_bytes(serialization.Encoding.PEM)
        lines.writerow((code, f"{code}.pem"))
    yield "trust/bindings.csv", table.getvalue().encode()
    index = {"test": True, "from": _ROBOT, "to": told.code, "packets": rows}
    yield INDEX, json.dumps(index, ensure_ascii=False, indent=2).encode()


def _pdfs(lead: bytes) -> Iterator[tuple[str, bytes]]:
    yield "pdf/signed.pdf", lead
    # One letter of the text's own bytes: what was signed is no longer what is there.
    middle = lead.index(b"stream\n") + 40
    yield "pdf/changed-after-signing.pdf", lead[:middle] + bytes([lead[middle] ^ 1]) + lead[middle + 1 :]


def _fixtures(told: Cast, keys: RobotKeys, at: datetime, lead: bytes) -> Iterator[Fixture]:
    robot = told.robots[_ROBOT]
    counter = 0

    def made(name: str, kind: Kind, expected: Expected, **said: object) -> Fixture:
        nonlocal counter
        counter += 1
        flaws: Sequence[str] = said.pop("flaws", ())  # type: ignore[assignment]  # as it is given below
        number = str(said.pop("number", 100 + counter))
        saying = Saying(
            kind=kind,
            packet_id=keys.clock.new_id("pkt_"),
            to=told.code,
            at=at,
            number=number,
            subject=told.says("subject", name=robot.agency.name),
            files=() if kind in (Kind.STATUS, Kind.RECALL) else packets.files_for(flaws, lead, 10 * _MB),
            flaws=tuple(flaws),
            **said,  # type: ignore[arg-type]  # fields of a Saying
        )
        written = packets.write(told, robot.agency, saying, keys.signer(_ROBOT, flaws))
        title = labels.say(f"sandbox.fixture.{name.rpartition('/')[2].partition('.')[0]}", "vi")
        return Fixture(name=name, kind=kind.value, raw=written.raw, expected=expected, title=title)

    def sent(number: str) -> About:
        """One of the fixtures, that another one is about."""
        return About(
            document_id=packets.document_id(robot.agency, local(at).date(), number, told.says("symbol")),
            code=f"{number}/{told.says('symbol')}",
            issued_on=local(at).date(),
            sender=_ROBOT,
        )

    own = sent(_NUMBER)
    yours = About(
        document_id=f"{told.code},{local(at - timedelta(days=1)):%Y/%m/%d},1/{told.says('symbol')}",
        code=f"1/{told.says('symbol')}",
        issued_on=local(at - timedelta(days=1)).date(),
        sender=told.code,
    )
    yield made("good/document.edxml", Kind.DOCUMENT, _ADMITTED, number=_NUMBER)
    yield made("good/urgent.edxml", Kind.DOCUMENT, _ADMITTED, number=_URGENT, urgency=Urgency.EXPRESS)
    yield made("good/reply.edxml", Kind.DOCUMENT, _ADMITTED, about=yours)
    yield made("good/update.edxml", Kind.UPDATE, _ADMITTED, about=own)
    yield made("good/replacement.edxml", Kind.REPLACEMENT, _ADMITTED, about=own)
    recalled = Expected(verify="valid", answers=("01", "15"), becomes="admitted")
    yield made("good/recall.edxml", Kind.RECALL, recalled, about=sent(_URGENT))
    for code in _STATUSES:
        about = own if code == "13" else yours
        yield made(f"good/status-{code}.edxml", Kind.STATUS, _BELIEVED, code=code, about=about)
    for flaw, expected in _BAD.items():
        number = _NUMBER if flaw == OTHER_CONTENT else str(200 + counter)
        yield made(f"bad/{flaw}.edxml", Kind.DOCUMENT, expected, number=number, flaws=(flaw,))
    yield made(
        "bad/status-bad-signature.edxml",
        Kind.STATUS,
        _refused("SIG-VALUE"),
        code="03",
        about=yours,
        flaws=(BAD_SIGNATURE,),
    )
