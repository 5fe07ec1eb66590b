"""A status of ours as the wire's envelope, and how one of our agencies names itself there. In: a status packet and the
agency that says it. Out: `Envelope`. Both ways use it: one says that a document is taken back, the other what became of
one."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind, Staff
from gateway.domain.fields import DRAFT, fitting, whole
from gateway.domain.receipt import StatusPacket
from gateway.domain.wall_clock import local
from gateway.edxml import build
from gateway.edxml.envelope import Envelope, Organisation, ResponseFor, StaffInfo, StatusReport


def status(packet: StatusPacket, agency: HostedAgency) -> Envelope:
    """The envelope of a status packet."""
    return Envelope(
        kind=Kind.STATUS,
        sender=organisation(agency),
        response_for=(
            ResponseFor(
                organ_id=packet.to_code,
                code=packet.document_code,
                document_id=packet.document_id,
                promulgation_date=packet.issued_on,
            ),
        ),
        status=StatusReport(
            code=packet.code,
            description=packet.description,
            timestamp=wall_clock(packet.stated_at),
            staff=staff(packet.staff) if packet.staff else None,
        ),
    )


def qualifier(packet: StatusPacket) -> build.Qualifier:
    """What the signature of a status packet says of it."""
    return build.Qualifier(
        packet_id=packet.packet_id, kind=Kind.STATUS, receipt=packet.receipt, terms=packet.terms
    )


def prove(packet: StatusPacket, agency: HostedAgency) -> None:
    """BreaksRule where this status could never be written, by the writer's own checks."""
    build.check(status(packet, agency), (), qualifier(packet))


def organisation(agency: HostedAgency) -> Organisation:
    """How one of our agencies names itself."""
    return Organisation(
        organ_id=agency.code,
        organization_in_charge=fitting(agency.parent_name, DRAFT["recipients/*/name"]),
        organ_name=fitting(agency.name, DRAFT["recipients/*/name"]),
        email=whole(agency.email, DRAFT["staff/email"]),
    )


def staff(person: Staff) -> StaffInfo:
    return StaffInfo(department=person.department, staff=person.name, email=person.email, mobile=person.phone)


def wall_clock(at: datetime) -> datetime:
    """A time in whole seconds, on the Vietnamese wall clock that the wire writes (edxml.md 6)."""
    return local(at).replace(microsecond=0)
