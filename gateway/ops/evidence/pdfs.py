"""Judge the signatures inside the PDFs of a pack's packets, when a pack is checked. In: the packets whose signature matches
their bytes, the user's folder of PDF trust, the answers of authorities that the pack has. Out: one report line for each
signed PDF, which explains and does not decide: a packet is no less proved because of a file in it. Answers of the pack
count like those of the user, because only an authority can have signed them. Without `pdf/ca.pem` there are no lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from gateway.domain.certificates import AuthorityAnswer, RevocationSource
from gateway.domain.evidence import REVOCATION
from gateway.domain.proof import FileSlice
from gateway.ops import pdf
from gateway.ops.evidence.judge import VALID, PacketFiles, ReportLine
from gateway.ops.evidence.pack_file import Pack

PDF_STEP = "pdf"
# Bytes of answers that the reading process gets for one file, the small ones first.
_MOST_BYTES = 12 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfTrust:
    """Trust of the user for PDF signatures, and the time of the check."""

    folder: Path
    at: datetime


def read_pdfs(
    pack: Pack, trust: PdfTrust, packet: PacketFiles, proved_at: datetime | None
) -> list[ReportLine]:
    """Return a line for each signed PDF of a packet, judged for the trusted time before which the packet existed, else for
    the time of the check."""
    if not (trust.folder / "pdf" / "ca.pem").is_file():
        return []
    files, opener = _slices(pack, packet)
    seen_at, answers = proved_at or trust.at, _answers(pack)
    verdicts = pdf.describe(files, opener, trust.folder, seen_at, trust.at, answers=answers)
    return [_line(packet.member, verdict, proved_at) for verdict in verdicts if verdict["signers"]]


def _line(member: str, verdict: dict[str, Any], proved_at: datetime | None) -> ReportLine:
    is_valid = verdict["verdict"] == VALID
    conclusion = "/".join(filter(None, (verdict["indication"], verdict["sub_indication"])))
    signers = ", ".join(signer["name"] for signer in verdict["signers"])[:400]
    return ReportLine(
        step=PDF_STEP,
        ok=True if is_valid else None,
        note=f"pdf_{verdict['verdict']}",
        params={
            "file": verdict["file"],
            "signers": signers,
            "conclusion": conclusion,
            "code": verdict["code"] or "",
        },
        member=member,
        detail=verdict["detail"],
        proved_at=proved_at if is_valid else None,
        trusted=is_valid and proved_at is not None,
        decides=False,
    )


def _slices(pack: Pack, packet: PacketFiles) -> tuple[tuple[FileSlice, ...], Callable[[], BinaryIO]]:
    """Return the files of a packet, and an opener of the bytes that they are slices of."""
    octets, path = packet.octets, pack.path
    if octets is not None:
        return tuple(packet.files), lambda: BytesIO(octets)
    start = pack.offsets[packet.member]
    return tuple(replace(f, offset=f.offset + start) for f in packet.files), lambda: path.open("rb")


def _answers(pack: Pack) -> list[AuthorityAnswer]:
    """Return the answers of the pack, as many as fit; the pack's own check refuses broken ones."""
    answers, size = [], 0
    for member in sorted(pack.under(REVOCATION), key=lambda m: m.size):
        size += member.size
        if size > _MOST_BYTES:
            break
        is_list = member.name.endswith(f".{RevocationSource.LIST}")
        source = RevocationSource.LIST if is_list else RevocationSource.OCSP
        answers.append(AuthorityAnswer(source=source, body=pack.read(member.name)))
    return answers
