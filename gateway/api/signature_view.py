"""How the signatures inside the PDFs of a document are shown to programs, the same for documents sent and received. In:
verdicts and legal value. Out: the members `legal_value`, `legal_value_text` and `signatures`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from gateway.api.shapes import Moment, Told
from gateway.api.words import Lang, code_text, say
from gateway.domain.signatures import FileVerdict, LegalValue, SignerVerdict


class PdfSignerOut(Told):
    """One signature: who, when by their own word and by a trusted timestamp, and whether it holds."""

    name: str
    organisation: str
    role: str | None = Field(description="agency or person; null where there is no certificate to tell by")
    claimed_at: Moment | None = Field(description="By the signer's own clock: proves nothing")
    trusted_at: Moment | None = Field(description="By a trusted timestamp")
    verdict: str = Field(description="valid, invalid or unknown, for the time that is proved")
    verdict_text: str
    why: str | None
    why_text: str | None
    now: str = Field(description="The same for the day on which it was checked last")
    now_why: str | None
    serial: str
    issuer: str
    copy_form: str | None = Field(description="SY, TrS or SL where the signature makes an electronic copy")


class FileSignaturesOut(Told):
    """The signatures of one file; the verdict is that of the worst."""

    n: int
    file: str
    verdict: str = Field(description="valid, invalid, unknown or unsigned")
    verdict_text: str
    why: str | None
    why_text: str | None
    signers: list[PdfSignerOut]


def signatures(verdicts: Sequence[FileVerdict], lang: Lang) -> list[FileSignaturesOut]:
    """Every file whose signatures were looked at."""
    return [
        FileSignaturesOut(
            n=each.n,
            file=each.file,
            verdict=each.verdict,
            verdict_text=say(f"signature.{each.verdict}", lang),
            why=each.why,
            why_text=code_text(each.why, lang),
            signers=[_signer(one, lang) for one in each.signers],
        )
        for each in verdicts
    ]


def value_text(value: LegalValue | None, lang: Lang) -> str:
    """What a document is worth beside paper, in words."""
    return say(f"legal.{value or 'unknown'}", lang)


def _signer(one: SignerVerdict, lang: Lang) -> PdfSignerOut:
    return PdfSignerOut(
        name=one.name,
        organisation=one.organisation,
        role=one.role,
        claimed_at=one.claimed_at,
        trusted_at=one.trusted_at,
        verdict=one.verdict,
        verdict_text=say(f"signature.{one.verdict}", lang),
        why=one.why,
        why_text=code_text(one.why, lang),
        now=one.now,
        now_why=one.now_why,
        serial=one.serial,
        issuer=one.issuer,
        copy_form=one.copy_form,
    )
