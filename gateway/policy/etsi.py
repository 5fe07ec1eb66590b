"""The words of ETSI EN 319 102-1 for a verdict on a PDF signature, which other validators use: TOTAL-PASSED, TOTAL-FAILED
or INDETERMINATE, with the reason as sub-indication. In: our verdict. Out: a `Conclusion`. Pure. The standard calls a
signature failed only where its own bytes or its signer's statements show it; where other anchors, other answers or a proof
of an earlier time could change the result, it says indeterminate, also where we say not valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.signatures import FileVerdict, SignatureWord, SignerVerdict


class Indication(StrEnum):
    PASSED = "TOTAL-PASSED"
    FAILED = "TOTAL-FAILED"
    INDETERMINATE = "INDETERMINATE"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Result in the standard's words; `reason` is the sub-indication, None where the standard has none."""

    indication: Indication
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.indication}/{self.reason}" if self.reason else str(self.indication)


_F, _I = Indication.FAILED, Indication.INDETERMINATE
CONCLUSIONS: Mapping[str, Conclusion] = {
    "SIG-STRUCTURE": Conclusion(_F, "FORMAT_FAILURE"),
    "SIG-ALGORITHM": Conclusion(_F, "FORMAT_FAILURE"),
    "PDF-COVERAGE": Conclusion(_F, "FORMAT_FAILURE"),
    "PDF-CHANGED": Conclusion(_F, "FORMAT_FAILURE"),
    "SIG-DIGEST": Conclusion(_F, "HASH_FAILURE"),
    "SIG-VALUE": Conclusion(_F, "SIG_CRYPTO_FAILURE"),
    "SIG-WEAK": Conclusion(_I, "CRYPTO_CONSTRAINTS_FAILURE"),
    "CERT-TIME": Conclusion(_I, "OUT_OF_BOUNDS_NO_POE"),
    "PDF-TIME-UNPROVED": Conclusion(_I, "OUT_OF_BOUNDS_NO_POE"),
    "CERT-CHAIN": Conclusion(_I, "NO_CERTIFICATE_CHAIN_FOUND"),
    "PDF-NO-ANCHORS": Conclusion(_I, "NO_CERTIFICATE_CHAIN_FOUND"),
    "CERT-USAGE": Conclusion(_I, "CHAIN_CONSTRAINTS_FAILURE"),
    "CERT-REVOKED": Conclusion(_I, "REVOKED_NO_POE"),
    "CERT-REVOCATION-UNKNOWN": Conclusion(_I, "TRY_LATER"),
    "PDF-UNREADABLE": Conclusion(_I, "SIGNED_DATA_NOT_FOUND"),
    # Faults and limits of this node, for which the standard has no word.
    "PDF-LIMIT": Conclusion(_I),
    "PDF-READER": Conclusion(_I),
    "PDF-TRUST": Conclusion(_I),
}
"""Conclusions by our code of the defect."""
REVOKED = Conclusion(_F, "REVOKED")


def conclude(signer: SignerVerdict) -> Conclusion:
    """Return the conclusion on one signature, for the proved time."""
    if signer.why == "CERT-REVOKED" and _admits_revocation(signer):
        return REVOKED
    return _conclusion(signer.verdict, signer.why)


def conclude_file(verdict: FileVerdict) -> Conclusion | None:
    """Return the conclusion on the worst signature of a file, or on a file that cannot be judged; None without
    signatures."""
    if verdict.verdict is SignatureWord.UNSIGNED:
        return None
    worst = next((s for s in verdict.signers if (s.verdict, s.why) == (verdict.verdict, verdict.why)), None)
    return conclude(worst) if worst is not None else _conclusion(verdict.verdict, verdict.why)


def _conclusion(word: SignatureWord, why: str | None) -> Conclusion:
    if word is SignatureWord.VALID:
        return Conclusion(Indication.PASSED)
    return CONCLUSIONS.get(why or "", Conclusion(_I))


def _admits_revocation(signer: SignerVerdict) -> bool:
    """Tell whether the signer itself dates the signature after the revocation, or gives no date: then no proof of an
    earlier time can be hoped for."""
    when, claimed = signer.revoked_at, signer.claimed_at
    return when is not None and (claimed is None or claimed >= when)
