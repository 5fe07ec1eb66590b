"""A change of trust that one person proposes and another one approves (K6). What is approved is the digest of the whole
proposal, so that nothing in it can be exchanged between the two. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from gateway.domain.registry_reform import Reform

DIGITS = 16
LONGEST_IMPORT = 64 * 1024 * 1024


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingChange:
    """A certificate that shall speak for a code. Earlier certificates of the code, by SHA-256, end at `earlier_end`."""

    code: str
    certificate: str
    """In DER, in Base64: the whole proposal is kept as text."""
    valid_from: datetime
    valid_to: datetime
    earlier: tuple[str, ...] = ()
    earlier_end: datetime | None = None

    @property
    def certificate_der(self) -> bytes:
        return base64.b64decode(self.certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as people compare it."""
        return hashlib.sha256(self.certificate_der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorChange:
    """A root certificate below which certificates of agencies are believed."""

    certificate: str

    @property
    def certificate_der(self) -> bytes:
        return base64.b64decode(self.certificate)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.certificate_der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChange:
    """A file of codes that shall change agencies that are known. `effect` is what its plan would do: where the registry
    moved so that it would do something else, the proposal does not hold."""

    name: str
    number: str
    """Of the document that decided it; the approver types it from the document itself."""
    content: str
    """The file as the registry reads it, compressed, in Base64: the whole proposal is kept as text."""
    effect: str
    added: int
    changed: int
    closed: int

    @property
    def file(self) -> bytes:
        """Never longer than what a registry file may be."""
        return zlib.decompressobj().decompress(base64.b64decode(self.content), LONGEST_IMPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a proposal would change, all of it or nothing."""

    bindings: tuple[BindingChange, ...] = ()
    anchors: tuple[AnchorChange, ...] = ()
    reforms: tuple[Reform, ...] = ()
    imports: tuple[ImportChange, ...] = ()

    @property
    def changes(self) -> tuple[BindingChange | AnchorChange | Reform | ImportChange, ...]:
        """All of them, in the order in which people go through them."""
        return (*self.bindings, *self.anchors, *self.reforms, *self.imports)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of every certificate in it, in order: what the approver compares."""
        ours = [each.fingerprint for each in self.bindings]
        return (*ours, *(each.fingerprint for each in self.anchors))

    @property
    def expected(self) -> tuple[str, ...]:
        """What the approver types: the end of each fingerprint, and of a reform or an import the number of its deciding
        document, from the document itself."""
        ends = [each[-DIGITS:] for each in self.fingerprints]
        numbers = [each.decision.number for each in self.reforms] + [each.number for each in self.imports]
        return (*ends, *(as_typed(each) for each in numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposal from its making to its end."""

    id: str
    content: Content
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    reason: str = ""
    state: ProposalState = ProposalState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def people(self) -> frozenset[str]:
        """Who proposed it, and who decided."""
        return frozenset(filter(None, (self.proposed_by, self.decided_by)))

    @property
    def digest(self) -> str:
        """SHA-256 over everything in it that is not its fate."""
        content = _plain(self.content)
        for later in ("reforms", "imports"):
            if isinstance(content, dict) and not content[later]:
                del content[later]  # proposals without any were digested before there were such
        for each in content.get("reforms", ()) if isinstance(content, dict) else ():
            if not each["steps"]:
                del each["steps"]  # likewise changes of the organisation without steps
        told = {
            "id": self.id,
            "content": content,
            "proposed_by": self.proposed_by,
            "proposed_at": self.proposed_at,
            "expires_at": self.expires_at,
            "reason": self.reason,
        }
        text = json.dumps(_plain(told), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def as_typed(text: str) -> str:
    """Spaces, colons and letter case are how people write."""
    return "".join(text.replace(":", " ").split()).lower()


def _plain(value: object) -> object:
    """JSON of one form: a value has one text, on both sides of a database."""
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value
