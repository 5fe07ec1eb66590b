"""Defines the answer of a policy: every broken rule at once, each with the place it concerns. A reason is a code with
parameters, never a sentence; `labels.reason_text` makes the sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.errors import Refused


class ReasonCode(StrEnum):
    """Codes of the rules that can be broken or warned of, as the API, logs and labels use them."""

    # a document's own fields (R17)
    MISSING = "missing"
    TOO_LONG = "too-long"
    TOO_MANY = "too-many"
    BAD_CHARACTERS = "bad-characters"
    OUT_OF_RANGE = "out-of-range"
    DATE_IN_FUTURE = "date-in-future"
    DATE_ODD = "date-odd"
    DUE_AT_MISSING = "due-at-missing"
    TIMED_EXPRESS_OFF = "timed-express-off"
    REPLY_DUE_WITHOUT_REPLY = "reply-due-without-reply"
    REPLY_DUE_MISSING = "reply-due-missing"
    DUE_PASSED = "due-passed"
    SIGNED_LATE = "signed-late"
    REPLY_UNLINKED = "reply-unlinked"
    UNCONFIRMED = "unconfirmed"
    UNSENDABLE = "unsendable"
    # forbidden content (R2, R3)
    SECRECY_DECLARED = "secrecy-declared"
    FORBIDDEN_CATEGORY = "forbidden-category"
    SENSITIVE_WORD = "sensitive-word"
    SUBJECT_PERSONAL = "subject-personal"
    SECRECY_STAMP = "secrecy-stamp"
    # text (R8, R9)
    LEGACY_FONT = "legacy-font"
    NO_DIACRITICS = "no-diacritics"
    HIDDEN_MARKS = "hidden-marks"
    SYMBOL_SPACED = "symbol-spaced"
    TYPE_UNKNOWN = "type-unknown"
    # the sender (K1, bindings end with a code) and recipients (R48, R83)
    SENDER_CLOSED = "sender-closed"
    RECIPIENT_SELF = "recipient-self"
    RECIPIENT_TWICE = "recipient-twice"
    RECIPIENT_UNKNOWN = "recipient-unknown"
    RECIPIENT_CLOSED = "recipient-closed"
    RECIPIENT_CLOSED_STARTER = "recipient-closed-starter"
    RECIPIENT_UNCERTAIN = "recipient-uncertain"
    RECIPIENT_WITHOUT_CODE = "recipient-without-code"
    RECIPIENT_STARTER = "recipient-starter"
    RECIPIENT_UNBOUND = "recipient-unbound"
    RECIPIENT_UNHOSTED = "recipient-unhosted"
    AXIS_LOSES = "axis-loses"
    # files (R10 to R14, R57, threats 57 to 83)
    LEAD_COUNT = "lead-count"
    LEAD_TYPE = "lead-type"
    FILE_NAME = "file-name"
    NAME_ODD = "name-odd"
    NAME_CUT = "name-cut"
    FILE_EMPTY = "file-empty"
    FILE_TOO_LARGE = "file-too-large"
    DOCUMENT_TOO_LARGE = "document-too-large"
    TYPE_NOT_ALLOWED = "type-not-allowed"
    TYPE_UNLIKE_NAME = "type-unlike-name"
    ENCRYPTED = "encrypted"
    BROKEN = "broken"
    ARCHIVE_BOMB = "archive-bomb"
    ACTIVE_CONTENT = "active-content"
    MALWARE = "malware"
    UNSCANNED = "unscanned"
    PAGES_DIFFER = "pages-differ"
    NO_SOURCE = "no-source"
    FIRST_PAGE_CUT = "first-page-cut"
    FIRST_PAGE_DIFFERS = "first-page-differs"
    FIRST_PAGE_OTHER = "first-page-other"
    PAGE_UNNUMBERED = "page-unnumbered"
    PAGE_NUMBERED = "page-numbered"
    # signatures on the lead file (R19 to R23)
    UNSIGNED_LEAD = "unsigned-lead"
    SIGNATURE_INVALID = "signature-invalid"
    SIGNATURE_UNCHECKED = "signature-unchecked"
    NO_PERSON_SIGNATURE = "no-person-signature"
    UNSIGNED_ARRIVAL = "unsigned-arrival"
    SEAL_OTHER_ARRIVAL = "seal-other-arrival"
    SEAL_UNKNOWN_ARRIVAL = "seal-unknown-arrival"
    SEAL_OTHER = "seal-other"
    SEAL_UNKNOWN = "seal-unknown"
    SEAL_UNREGISTERED = "seal-unregistered"
    SIGNATORY_UNKNOWN = "signatory-unknown"
    SIGNATORY_ENDED = "signatory-ended"
    SIGNER_OTHER = "signer-other"
    # a change to a document already sent (R70, R71)
    PARENT_NOT_SENT = "parent-not-sent"
    PARENT_SEALED = "parent-sealed"
    PARENT_IS_CHANGE = "parent-is-change"
    TARGET_DIFFERS = "target-differs"
    REPLACES_ITSELF = "replaces-itself"
    NOTHING_CHANGED = "nothing-changed"
    # documents on paper (R6)
    PAPER_TOO = "paper-too"
    PARENT_ON_PAPER = "parent-on-paper"
    CHANGE_ON_PAPER = "change-on-paper"
    BEFORE_ITS_DATE = "before-its-date"
    # an identity that is taken (R117)
    NUMBER_IN_USE = "number-taken"
    NUMBER_REUSED = "number-again"
    LEAD_REUSED = "lead-again"
    SIGNED_REUSED = "signed-again"
    # numbers of outgoing documents, their notation, and who signs (R28, R32 to R35)
    NUMBER_NOT_GIVEN = "number-not-given"
    NUMBER_GIVEN = "number-given"
    NUMBER_RESERVED = "number-reserved"
    NUMBER_VOID = "number-void"
    NUMBER_ORDER = "number-order"
    NUMBER_SHAPE = "number-shape"
    NOTATION_SHAPE = "notation-shape"
    NOTATION_TYPE = "notation-type"
    CAPACITY_UNPROVED = "capacity-unproved"
    CAPACITY_SCOPE = "capacity-scope"
    # entries in a register book by hand (R32, R36, R99)
    BOOK_GIVES = "book-gives"
    BOOK_DAY = "book-day"
    COPY_KEPT = "copy-here"
    IDEMPOTENCY_OTHER = "idempotency-other"
    # status calls
    STATUS_UNKNOWN = "status-unknown"
    STATUS_TIME = "status-time"
    NUMBER_WITHOUT_03 = "number-without-03"
    UNIT_UNKNOWN = "unit-unknown"
    UNIT_PERSON = "unit-person"
    # findings about an incoming packet
    SCHEMA = "schema"
    UNUSUAL = "unusual"
    # an envelope that was built elsewhere
    ENVELOPE_KIND = "envelope-kind"
    ENVELOPE_REPLACES = "envelope-replaces"
    ENVELOPE_SENDER = "envelope-sender"
    ENVELOPE_IDENTITY = "envelope-identity"
    ENVELOPE_LEFT_OUT = "envelope-left-out"
    # signing with the agency's own key (R19, R23a, R24, R30)
    SIGN_BROKEN = "sign-broken"
    SIGN_ENCRYPTED = "sign-encrypted"
    SIGN_TOO_LARGE = "sign-too-large"
    SIGN_CLOSED = "sign-closed"
    SIGN_EARLIER_BROKEN = "sign-earlier-broken"
    SIGN_TWICE = "sign-twice"
    SIGN_NO_PERSON = "sign-no-person"
    SIGN_WHERE = "sign-where"
    SIGN_OUTSIDE = "sign-outside"
    SIGN_NO_NUMBER = "sign-no-number"
    SIGN_CROWDED = "sign-crowded"
    KEY_EXCHANGE = "key-exchange"
    KEY_TIME = "key-time"
    KEY_REVOKED = "key-revoked"
    KEY_USAGE = "key-usage"


# Reasons that a sender may confirm to go on (R2 secrecy, R48 starter rows).
CONFIRMABLE = frozenset(
    {
        ReasonCode.SECRECY_STAMP,
        ReasonCode.RECIPIENT_CLOSED_STARTER,
        ReasonCode.RECIPIENT_UNHOSTED,
        ReasonCode.FIRST_PAGE_OTHER,
        ReasonCode.SIGNATORY_UNKNOWN,
        ReasonCode.SIGNATORY_ENDED,
        ReasonCode.SIGNER_OTHER,
        ReasonCode.SIGNED_REUSED,
    }
)

# Reasons that a person must confirm before sending; a program is only warned.
TO_CONFIRM = frozenset({ReasonCode.NUMBER_REUSED, ReasonCode.LEAD_REUSED})

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Broken rule. `pointer` is a JSON pointer into the request or packet; `suggest` is a value to use instead.
    Parameters named `*_bytes` and `*_on` are raw (byte count, ISO date); the labels format them."""

    code: ReasonCode
    pointer: str = ""
    params: Mapping[str, str] = field(default_factory=lambda: _NONE)
    suggest: str | None = None

    def __str__(self) -> str:
        params = ", ".join(f"{name}={value}" for name, value in self.params.items())
        text = f"{self.code} at {self.pointer or '/'}"
        text += f" ({params})" if params else ""
        return text + (f", use {self.suggest}" if self.suggest else "")


def reason(code: ReasonCode, pointer: str = "", *, suggest: str | None = None, **params: object) -> Reason:
    """Return a reason with its parameters as text."""
    texts = MappingProxyType({name: str(value) for name, value in params.items()})
    return Reason(code=code, pointer=pointer, params=texts, suggest=suggest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Answer of a policy, with every reason; it is allowed without reasons, and warnings never decide."""

    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()

    @property
    def allowed(self) -> bool:
        return not self.reasons

    def raise_if_refused(self) -> None:
        """Raise Refused, which carries the verdict, unless it is allowed."""
        if self.reasons:
            raise Refused(self)

    def __add__(self, other: Verdict) -> Verdict:
        if not (other.reasons or other.warnings):
            return self
        if self is NOTHING:
            return other
        return Verdict(reasons=self.reasons + other.reasons, warnings=self.warnings + other.warnings)

    @classmethod
    def make(cls, reasons: Sequence[Reason], warnings: Sequence[Reason] = ()) -> Verdict:
        """Return a verdict; `NOTHING` where there are neither reasons nor warnings."""
        if not (reasons or warnings):
            return NOTHING
        return cls(reasons=tuple(reasons), warnings=tuple(warnings))

    @classmethod
    def asking(cls, questions: Iterable[Reason], confirmed: Collection[str]) -> Verdict:
        """Return a verdict that refuses until the sender has confirmed each question; confirmed ones become warnings."""
        questions = tuple(questions)
        if not questions:
            return NOTHING
        return cls(
            reasons=tuple([question for question in questions if question.code not in confirmed]),
            warnings=tuple([question for question in questions if question.code in confirmed]),
        )

    def __str__(self) -> str:
        if self.allowed and not self.warnings:
            return "allowed"
        parts = ["allowed" if self.allowed else "refused: " + "; ".join(map(str, self.reasons))]
        if self.warnings:
            parts.append("warnings: " + "; ".join(map(str, self.warnings)))
        return " | ".join(parts)


NOTHING = Verdict()
"""Allowed, without warnings."""
