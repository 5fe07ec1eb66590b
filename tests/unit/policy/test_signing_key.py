"""The certificate that may sign (W9): bound where any is bound, not ended, in its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.certificates import ANY_KEY, KeyEnd
from gateway.domain.proof import Binding
from gateway.policy import trust
from gateway.policy.trust import fingerprint

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW = b"old certificate", b"new certificate"


def bound(der: bytes, since: datetime | None = None, valid_to: datetime | None = None) -> Binding:
    return Binding(code="Z91", certificate_der=der, valid_from=since, valid_to=valid_to)


def end(der: bytes, at: datetime, stolen: datetime | None = None) -> KeyEnd:
    return KeyEnd(
        agency_code="Z91", key_id="k", fingerprint=fingerprint(der), at=at, by="p", stolen_since=stolen
    )


def test_w9_where_nothing_is_bound_any_certificate_may_sign_and_else_what_is_bound_in_its_time() -> None:
    """A binding of another code is none of ours; outside of its binding nothing signs, not even when no other is bound."""
    other = Binding(code="Z92", certificate_der=OLD)
    for bindings in ([], [other]):
        use = trust.key_use_of("Z91", bindings, [], NOW)
        assert use == ANY_KEY
        assert use.fault(fingerprint(OLD)) is None
    use = trust.key_use_of("Z91", [bound(OLD)], [], NOW)
    assert use.fault(fingerprint(OLD)) is None
    assert "not bound" in (use.fault(fingerprint(NEW)) or "")
    use = trust.key_use_of("Z91", [bound(OLD, NOW - DAY, NOW), bound(NEW, NOW + DAY)], [], NOW)
    assert use.fault(fingerprint(OLD)) is not None
    assert use.fault(fingerprint(NEW)) is not None


def test_an_ended_key_signs_nothing_from_its_end_on() -> None:
    ends = [end(OLD, NOW)]

    assert trust.key_use_of("Z91", [bound(OLD)], ends, NOW - DAY).fault(fingerprint(OLD)) is None
    assert "retired" in (trust.key_use_of("Z91", [bound(OLD)], ends, NOW).fault(fingerprint(OLD)) or "")
    stolen = trust.key_use_of("Z91", [], [end(OLD, NOW, NOW - DAY)], NOW)
    assert "stolen" in (stolen.fault(fingerprint(OLD)) or "")
