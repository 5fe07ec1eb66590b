"""Requests of an agency about its accounts, on the forms that a province's regulation prescribes: new accounts (01),
changes (02) and ends (03), one line for each person, with the operator's answer; and the report that an agency hands in
(04), with the list of its accounts as it was. Frozen values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

ANSWER_KEY = "answer:"
"""Begins the key of the mail that tells of an answer; the request's id follows."""


class RequestForm(StrEnum):
    NEW = "01"
    CHANGE = "02"
    END = "03"
    REPORT = "04"


class RequestState(StrEnum):
    """State of a request. `partly`: done for some of its persons, refused with a reason for the others. `filed`: a report,
    which needs no answer."""

    OPEN = "open"
    DONE = "done"
    PARTLY = "partly"
    REFUSED = "refused"
    FILED = "filed"


class AccountChange(StrEnum):
    """Detail of an account that a request changes."""

    NAME = "name"
    TITLE = "title"
    EMAIL = "email"
    UNIT = "unit"
    POST = "post"
    POST_END = "post_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLine:
    """One person of a request, in the columns of its form. `role` is the post of a new account; `change` and `value` are
    the detail to change and its new text; `decided_on` is the day of the decision about the leaving person. `is_done`
    and `refusal` are the answer."""

    name: str = ""
    title: str = ""
    unit: str = ""
    email: str = ""
    phone: str = ""
    login: str = ""
    role: str = ""
    change: AccountChange | None = None
    value: str = ""
    reason: str = ""
    decided_on: date | None = None
    note: str = ""
    is_done: bool | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedAccount:
    """Account as the list had it when it was handed in."""

    login: str
    name: str
    title: str
    roles: tuple[str, ...]
    standing: str
    last_login_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """Figures of one year: accounts that were given, how many were not used in it, and what changed."""

    given: int
    unused: int
    added: int
    changed: int
    ended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContact:
    """Part I of a form: the person whom the operator may ask. The answer goes to `email`, which the form does not print."""

    name: str = ""
    title: str = ""
    office: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRequest:
    """One form of an agency; the empty agency is the node. `number` is that of the agency's written document. A report
    has the `accounts` as they were, their `figures`, the agency's `remarks`, and the SHA-256 of all three as `digest`."""

    id: str
    agency_id: str
    form: RequestForm
    made_by: str
    made_at: datetime
    number: str = ""
    contact: RequestContact = field(default_factory=RequestContact)
    receiver: str = ""
    place: str = ""
    lines: tuple[RequestLine, ...] = ()
    state: RequestState = RequestState.OPEN
    answer: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None
    remarks: str = ""
    accounts: tuple[ReportedAccount, ...] = ()
    figures: AccountFigures | None = None
    digest: str = ""

    @property
    def is_report(self) -> bool:
        return self.form is RequestForm.REPORT


def logins_to_end(requests: Iterable[AccountRequest]) -> frozenset[str]:
    """Return the sign-in names whose end open requests ask for."""
    return frozenset(
        line.login
        for request in requests
        if request.form is RequestForm.END and request.state is RequestState.OPEN
        for line in request.lines
    )
