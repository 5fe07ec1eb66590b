"""Tests register seals and persons' certificates as two people of a node would."""

from __future__ import annotations

from datetime import date, datetime

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import DecisionServices
from gateway.deciding.proposals import seal_change
from gateway.domain.seals import CertificateKind, SealChange, SealingRightChange
from tests.support.pdf_pki import Holder

TWO = ("An", "Binh")


def seal_of(code: str, holder: Holder) -> SealChange:
    """Return the change that registers the holder's certificate as the seal of that code."""
    return seal_change(code, CertificateKind.SEAL, holder.certificate.public_bytes(Encoding.DER))


def person_of(
    code: str,
    holder: Holder,
    *,
    valid_to: datetime | None = None,
    capacity: str = "KT.",
    name: str = "Người Ký Mẫu",
) -> SealChange:
    """Return the change that registers the holder's certificate as that of a deputy head of that code, as the
    headers of `envelopes` name one."""
    return seal_change(
        code,
        CertificateKind.PERSON,
        holder.certificate.public_bytes(Encoding.DER),
        until=valid_to,
        name=name,
        position="Phó Giám đốc",
        capacity=capacity,
    )


def right_of(acting_code: str, code: str, since: date = date(2026, 1, 1)) -> SealingRightChange:
    """Return the change that lets one agency seal for another."""
    return SealingRightChange(
        acting_code=acting_code,
        code=code,
        act_number="12/QĐ-UBND",
        act_date=date(2025, 12, 20),
        valid_from=since,
    )


async def register(services: DecisionServices, *changes: SealChange | SealingRightChange) -> None:
    """Put the changes in force on the word of two people who were authenticated before."""
    async with services.decisions.changing("node") as work:
        for change in changes:
            if isinstance(change, SealChange):
                await work.seals.register(change, TWO, {})
            else:
                await work.seals.entitle(change, TWO, {})
        for code in {change.code for change in changes}:
            await work.rejudge_mail_of(code)
