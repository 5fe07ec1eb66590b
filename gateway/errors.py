"""The one error tree. Each class answers: stable code, permanent or worth a retry, what the peer hears, label.

GatewayError
  Refused               P  nothing leaves              policy said no; carries the Verdict
  InvalidEnvelope       P  nothing; quarantine, alert  the sender is not proved
    MalformedXml        P                              not XML, DTD, entity, too large
    BadSignature        P                              structure, digest or signature does not match
    UntrustedSigner     P                              chain, validity time, key use, revoked
    SignerMismatch      P                              certificate is not bound to the sender's code
    UnknownSender       P                              code not in the directory on that date
  CannotTell            R  nothing; held               revocation unknown after the grace, odd signing time
  Unactionable          P  02, if authenticated        no person could act
    CannotOpen          P                              a file cannot be opened
    NotForUs            P                              we are not in the signed list
    Malware             P
  BreaksRule            P  nothing; held for the clerk schema or rule finding of a proved sender
  DeclaredSecret        P  nothing; sealed hold        reported to the head and the operator
  Waiting               R  01 on storing               the document it acts on has not come yet
  Duplicate             P  the first answer, again
  Conflict              P  nothing; quarantine, alert  same signed packet id, other body
  OtherContent          P  nothing; held, alert        same DocumentId, other digest, no 02 before it (R117)
  TransportFailure      R  nothing yet
    Unreachable         R  nothing yet
    BrokerRefused       P  nothing                     returned or unroutable
  SignerDown            R  nothing yet                 the key cannot be used now; documents stay queued
  StoreFailure          R  nothing yet
    StaleVersion        P  412                         another change of the row came first
    StaleLease          P  discarded                   a worker woke after its lease had run out
    AlteredContent      P  not served, alert           stored bytes are not those that were taken in
    MissingContent      R  not served now              the file of stored bytes is not there
    ContentStoreDown    R  nothing yet                 the object store with large content does not answer, or refuses
    InMaintenance       R  nothing; sent again later   an operator stated a maintenance
  ScannerDown           R  nothing yet                 no verdict about malware, and policy wants one
  NotFound              P  404
  Clash                 P  409                         the thing's present state forbids the act
    OverBudget          R  507                         the agency's unsent bytes are as many as allowed
  Denied                P  401, 403
  InvalidProof          P  422                         a seal, timestamp or proof does not hold
  Misconfigured         P  nothing; stops at start-up
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class GatewayError(Exception):
    """Something the gateway can name. `str()` is the English sentence; the label is what a clerk reads."""

    code: str = "GW-000"
    permanent: ClassVar[bool] = True
    label_key: ClassVar[str] = "error.internal"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        hint: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or (type(self).__doc__ or "").strip())
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.hint = hint
        self.params = dict(params or {})
        """Values by name, for the sentence in the reader's language."""
        if code is not None:
            self.code = code


def as_gateway_error(error: Exception) -> GatewayError:
    """Return the error, or for an unforeseen one a GatewayError with the general code, so that it counts as a try and
    its reason is stored in the row."""
    if isinstance(error, GatewayError):
        return error
    return GatewayError(f"{type(error).__name__}: {error}")


class Refused(GatewayError):
    """A rule forbids it; every broken rule is listed in the verdict."""

    code = "GW-R-000"
    label_key = "error.refused"

    def __init__(self, verdict: object, detail: str = "") -> None:
        super().__init__(detail or str(verdict))
        self.verdict = verdict


class InvalidEnvelope(GatewayError):
    """The envelope is not proved to come from its sender; nobody is answered."""

    code = "ENV-INVALID"
    label_key = "error.envelope"

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        step: int = 0,
        steps: Sequence[object] = (),
        location: str = "",
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or code, code=code, params=params)
        self.step = step
        self.steps = tuple(steps)
        self.location = location


class MalformedXml(InvalidEnvelope):
    """Not readable as XML under our limits."""

    label_key = "error.malformed"


class BadSignature(InvalidEnvelope):
    """The signature's structure, digest or value does not hold."""

    label_key = "error.signature"


class UntrustedSigner(InvalidEnvelope):
    """The certificate does not hold at that time: chain, validity, use or revocation."""

    label_key = "error.certificate"


class SignerMismatch(InvalidEnvelope):
    """The certificate is not one bound to the sender's code."""

    label_key = "error.binding"


class UnknownSender(InvalidEnvelope):
    """The sender's code is unknown, closed, or has no certificate bound to it."""

    label_key = "error.sender"


class CannotTell(GatewayError):
    """It cannot be decided now; the packet is held, neither admitted nor refused. `certificate_der` where it waits to hear
    of that certificate."""

    code = "CERT-REVOCATION-UNKNOWN"
    permanent = False
    label_key = "error.cannot_tell"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        hint: str = "",
        step: int = 0,
        steps: Sequence[object] = (),
        certificate_der: bytes | None = None,
    ) -> None:
        super().__init__(detail, code=code, hint=hint)
        self.step = step
        self.steps = tuple(steps)
        self.certificate_der = certificate_der


class Unactionable(GatewayError):
    """No person could act on this packet."""

    code = "GW-I-000"
    label_key = "error.unactionable"


class CannotOpen(Unactionable):
    """A file of the packet cannot be opened."""

    code = "DAMAGED"
    label_key = "reason.DAMAGED"


class NotForUs(Unactionable):
    """Our agency is not among the signed recipients."""

    code = "WRONG_ADDRESSEE"
    label_key = "reason.WRONG_ADDRESSEE"


class Malware(Unactionable):
    """A file of the packet carries malware."""

    code = "MALWARE"
    label_key = "reason.MALWARE"


class BreaksRule(GatewayError):
    """A proved sender's packet breaks a rule; a clerk decides."""

    code = "GW-I-100"
    label_key = "error.breaks_rule"


class DeclaredSecret(GatewayError):
    """A declared secret arrived; it goes unread into the sealed hold."""

    code = "SECRET"
    label_key = "reason.SECRET"


class Waiting(GatewayError):
    """The document that this packet acts on has not come yet."""

    code = "WAITING"
    permanent = False
    label_key = "state.waiting"


class Duplicate(GatewayError):
    """This packet was admitted before; the first answer is given again."""

    code = "MSG-REPEAT"
    label_key = "error.duplicate"


class Conflict(GatewayError):
    """The same signed packet id came with another body; the first stays."""

    code = "MSG-CONFLICT"
    label_key = "error.conflict"


class OtherContent(GatewayError):
    """A known DocumentId came with other content and no refusal before it; a clerk decides."""

    code = "OTHER-CONTENT"
    label_key = "error.other_content"


class TransportFailure(GatewayError):
    """The axis did not take the packet; it will be tried again. `unsure`: it may have it all the same, for all that is
    known."""

    unsure: bool = True
    code = "GW-T-000"
    permanent = False
    label_key = "error.transport"


class Unreachable(TransportFailure):
    """The axis cannot be reached."""

    code = "GW-T-001"
    label_key = "error.unreachable"


class BrokerRefused(TransportFailure):
    """The axis refuses the packet or knows no such recipient."""

    code = "GW-T-002"
    permanent = True
    label_key = "error.not_connected"


class SignerDown(GatewayError):
    """The token or the service that holds the key does not sign now; what waits is signed later."""

    code = "GW-K-001"
    permanent = False
    label_key = "error.signer"


class StoreFailure(GatewayError):
    """The node's own storage did not take the change; nothing was answered."""

    code = "GW-S-000"
    permanent = False
    label_key = "error.store"


class StaleVersion(StoreFailure):
    """Another unit changed this row first; read it again."""

    code = "GW-S-412"
    permanent = True
    label_key = "error.stale"


class StaleLease(StoreFailure):
    """The lease had run out; the work is discarded because another worker owns it now."""

    code = "GW-S-001"
    permanent = True
    label_key = "error.stale_lease"


class ScannerDown(GatewayError):
    """A file must be scanned for malware and the scanner gives no verdict now; nothing is lost, try again."""

    code = "GW-V-001"
    permanent = False
    label_key = "error.scanner_down"


class AlteredContent(StoreFailure):
    """The stored bytes are not those that were taken in; they are not given out."""

    code = "GW-S-410"
    permanent = True
    label_key = "error.altered"


class MissingContent(StoreFailure):
    """The file of stored bytes is not there; its folder may not be mounted, or a backup has it."""

    code = "GW-S-411"
    label_key = "error.missing_content"


class ContentStoreDown(StoreFailure):
    """The object store with large content does not answer, or refuses; nothing is lost, try again."""

    code = "GW-S-512"
    label_key = "error.content_store_down"


class InMaintenance(StoreFailure):
    """The node is under maintenance, and takes in nothing; `params` say until when, and in how many seconds that is."""

    code = "GW-S-510"
    label_key = "error.maintenance"

    def __init__(self, detail: str = "", *, ends: str = "–", seconds: int = 60) -> None:
        super().__init__(detail, params={"until": ends, "seconds": seconds})


class NotFound(GatewayError):
    """There is no such thing, or it belongs to another agency."""

    code = "GW-404"
    label_key = "error.not_found"


class Clash(GatewayError):
    """The thing's present state forbids this act."""

    code = "GW-409"
    label_key = "error.clash"


class Denied(GatewayError):
    """The caller is not known, or may not do this."""

    code = "GW-401"
    label_key = "error.denied"


class OverBudget(Clash):
    """The agency keeps as many unsent bytes on this node as it may; nothing was stored."""

    code = "GW-UNSENT"
    permanent = False

    def __init__(self, detail: str = "", *, used: int = 0, allowed: int = 0) -> None:
        megabytes = {"used_mb": used // 1024**2, "allowed_mb": allowed // 1024**2}
        super().__init__(detail, params={"used": used, "allowed": allowed, **megabytes})


class BadForm(GatewayError):
    """The form cannot be read as it came. `field`: which part of it, where it is one, such as `lines/0/name`."""

    code = "GW-FORM"
    label_key = "error.form"

    def __init__(self, detail: str = "", *, code: str | None = None, hint: str = "", field: str = "") -> None:
        super().__init__(detail, code=code, hint=hint)
        self.field = field


class InvalidProof(GatewayError):
    """A seal, a timestamp or a proof of the event log does not hold."""

    code = "GW-PROOF"
    label_key = "error.proof"


class Misconfigured(GatewayError):
    """The node's settings cannot work; it stops at start-up and says which."""

    code = "GW-C-000"
    label_key = "error.misconfigured"
