"""Reads the settings as the rules want them: what may pass, whom to trust how long, how large an envelope may be. In: the
settings. Out: frozen values that are handed to the policies. Part of the wiring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from gateway.domain.document import DeliveryMode
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.shipped_days import SHIPPED
from gateway.edxml.policy import Limits, XmlPolicy
from gateway.policy import office_hours as hours
from gateway.policy.profile import Profile
from gateway.policy.trust import TrustPolicy
from gateway.ports import CalendarDays
from gateway.settings import Settings
from gateway.settings.options import DELIVERY_MODES
from gateway.trust.pdf_signatures import roles

MB = 1024 * 1024


def profile(settings: Settings) -> Profile:
    """The rules' numbers, with the sizes of this node."""
    return Profile(
        max_file_bytes=settings.limits.file_mb * MB,
        max_document_bytes=settings.limits.document_mb * MB,
        revocation_grace=timedelta(hours=settings.trust.revocation_grace_h),
        scan_required=settings.scanner.required == "yes",
        max_quarantine_bytes=settings.limits.quarantine_mb * MB,
        unsigned_lead=_unsigned_lead(settings),
        recall_approval=settings.rules.recall_approval,
        delivery_modes=_delivery_modes(settings),
        pdf_roles=roles.read(settings.trust.folder / "pdf"),
    )


def _delivery_modes(settings: Settings) -> dict[str, DeliveryMode]:
    """The head's own list of what goes on paper (R6); its form was checked when it was read."""
    told = DELIVERY_MODES.read(settings.rules.delivery_modes) or {}
    return {key: DeliveryMode(word) for key, word in told.items()}


def _unsigned_lead(settings: Settings) -> str:
    """What was set; otherwise a node that can tell a good signature asks for one."""
    if settings.rules.unsigned_lead != "auto":
        return settings.rules.unsigned_lead
    return "refuse" if (settings.trust.folder / "pdf" / "ca.pem").is_file() else "warn"


def trust_policy(settings: Settings) -> TrustPolicy:
    """How long we bear not knowing."""
    return TrustPolicy(revocation_grace=timedelta(hours=settings.trust.revocation_grace_h))


def xml_policy(settings: Settings) -> XmlPolicy:
    """What an envelope may be on this node's axis."""
    return XmlPolicy(limits=Limits(max_bytes=settings.limits.envelope_mb * MB))


def office_hours(settings: Settings, calendar: CalendarDays) -> Callable[[], Awaitable[OfficeCalendar]]:
    """When the agencies of this node work, as it is now: an administrator may have changed a day a moment ago."""
    weekdays, spans = hours.read_weekdays(settings.office.weekdays), hours.read_spans(settings.office.hours)

    async def now() -> OfficeCalendar:
        return hours.calendar(weekdays, spans, SHIPPED, await calendar.days())

    return now
