"""The settings of the rulebook: defaults of the national rules, overridden per agency. In: nothing. Out: one frozen
`Profile` handed to every policy. Each field carries its source, and what goes wrong when it is loosened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta

from gateway.domain.document import DeliveryMode
from gateway.domain.signatures import RoleRule
from gateway.words.reading import SECRECY_STAMPS, WATCHED_WORDS

MB = 1024 * 1024


def _said(source: str, means: str) -> dict[str, str]:
    """What is told of a setting beside its default."""
    return {"source": source, "means": means}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Every number and switch of the rules at this stage."""

    max_file_bytes: int = field(
        default=10 * MB,
        metadata=_said("R13", "original bytes of one file; more fills mailboxes of small agencies"),
    )
    max_document_bytes: int = field(
        default=50 * MB, metadata=_said("R13", "original bytes of all files; more blocks slow lines")
    )
    allowed_types: frozenset[str] = field(
        default=frozenset(
            {
                *("txt", "odt", "rtf", "doc", "docx", "xls", "xlsx", "ods", "csv", "ppt", "pptx"),
                *("pdf", "jpeg", "png", "zip"),
            }
        ),
        metadata=_said(
            "R10, R11, R12",
            "types by content; a type added here is not inspected for active content unless the inspector knows it",
        ),
    )
    rar_allowed: bool = field(
        default=False, metadata=_said("R12", "a rar is opaque: its members are not seen")
    )
    lead_types: frozenset[str] = field(
        default=frozenset({"pdf"}),
        metadata=_said(
            "R11", "types of the lead file; only PDF carries the signatures that give legal value"
        ),
    )
    unsigned_lead: str = field(
        default="warn",
        metadata=_said(
            "R19, R22",
            "refuse or warn where the lead file lacks a valid signature of the agency; warn lets unsigned papers leave",
        ),
    )
    delivery_modes: Mapping[str, DeliveryMode] = field(
        default_factory=dict,
        metadata=_said("R6, R21", "own delivery mode by key of type, before that of its class"),
    )
    pdf_roles: tuple[RoleRule, ...] = field(
        default=(),
        metadata=_said(
            "R23", "own rules for telling an agency's certificate from a person's, before the usual ones"
        ),
    )
    max_archive_depth: int = field(
        default=2, metadata=_said("R12", "archives inside archives; more hides bombs and malware")
    )
    max_archive_members: int = field(
        default=500, metadata=_said("R12", "members of one archive, nested ones counted")
    )
    max_archive_ratio: int = field(
        default=100, metadata=_said("R12", "inflated size over stored size; more fills memory and disks")
    )
    refused_active: frozenset[str] = field(
        default=frozenset({"javascript", "launch", "macro", "remote-content", "script"}),
        metadata=_said(
            "threats 64",
            "active content refused on the way out and held on the way in; less lets code run on a clerk's machine",
        ),
    )
    warned_active: frozenset[str] = field(
        default=frozenset({"embedded-file"}), metadata=_said("threats 64", "active content that only warns")
    )
    scan_required: bool = field(
        default=True,
        metadata=_said(
            "threats 65", "no file passes before the scanner said clean; less lets malware through"
        ),
    )
    refused_categories: frozenset[str] = field(
        default=frozenset({"complaint", "denunciation", "dispute", "sensitive", "harmful", "private"}),
        metadata=_said("R3", "content categories a sender may declare and that do not pass"),
    )
    subject_keywords: tuple[str, ...] = field(
        default=WATCHED_WORDS,
        metadata=_said("R3", "words in a subject that warn; a keyword never refuses alone"),
    )
    secrecy_stamps: tuple[str, ...] = field(
        default=SECRECY_STAMPS,
        metadata=_said(
            "R2",
            "stamps on the first page of the lead file that a sender has to confirm; never refused alone",
        ),
    )
    timed_express: bool = field(
        default=True, metadata=_said("rules.md 16", "offer the fourth urgency, express with a stated hour")
    )
    answer_arrived: bool = field(
        default=True, metadata=_said("interfaces.md 1.5", "01 by itself when a packet is stored")
    )
    answer_damaged: bool = field(
        default=True, metadata=_said("interfaces.md 1.5", "02 by itself for a packet that cannot be opened")
    )
    answer_wrong_addressee: bool = field(
        default=True, metadata=_said("interfaces.md 1.5", "02 by itself when no recipient code is ours")
    )
    answer_malware: bool = field(
        default=True, metadata=_said("interfaces.md 1.5", "02 by itself for malware")
    )
    auto_recall_15: bool = field(
        default=True, metadata=_said("R70", "15 by itself for the recall of a document not yet taken in")
    )
    waiting_for: timedelta = field(
        default=timedelta(days=3),
        metadata=_said("interfaces.md 1.4", "how long a packet waits for the document it acts on"),
    )
    revocation_grace: timedelta = field(
        default=timedelta(hours=24),
        metadata=_said("R23", "unknown revocation accepted with a note; longer lets a revoked key speak"),
    )
    recall_approval: str = field(
        default="recorded",
        metadata=_said(
            "R70",
            "recorded: the approving leader's name is entered; step: a head with an account agrees before it leaves",
        ),
    )
    recall_purge: timedelta = field(
        default=timedelta(days=30), metadata=_said("R70", "from an agreed recall to the purge of its files")
    )
    max_quarantine_bytes: int = field(
        default=1024 * MB,
        metadata=_said(
            "threats 122", "packets at this node that nobody is proved to have sent; more fills the disk"
        ),
    )
    retry_limit: timedelta = field(
        default=timedelta(hours=72), metadata=_said("T12", "after this the delivery has failed")
    )

    def accepts(self, found_type: str) -> bool:
        """Whether files of this content type may pass."""
        return found_type in self.allowed_types or (found_type == "rar" and self.rar_allowed)


def settings() -> tuple[tuple[str, object, str, str], ...]:
    """Name, default, source and meaning of every setting, in order."""
    return tuple(
        (item.name, item.default, item.metadata["source"], item.metadata["means"]) for item in fields(Profile)
    )
