"""Holds the settings of the rules: defaults from the national rules, overridden per agency. In: nothing, or what an agency
chose. Out: one frozen `Profile`, which is passed to every policy. Each field carries its source, and the risk of loosening
it. A reason that an agency's choice produced says so, with `told_by`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import TypeVar

from gateway.domain.agency_profile import (
    ABBREVIATION,
    MARK,
    OUT_BOOKS,
    OUT_NUMBERING,
    PAPER_TYPES,
    READY_BOOKS,
    RULEBOOK,
    SIGNING_ACTS,
    TYPE_MARKS,
    UNIT_MARKS,
    UNKNOWN_SIGNER,
    UNSIGNED_IN,
    UNSIGNED_OUT,
    WRONG_SEAL,
    ProfileVersion,
)
from gateway.domain.document import DeliveryMode
from gateway.domain.signatures import RoleRule
from gateway.domain.wall_clock import local
from gateway.words.reading import SECRECY_STAMPS, WATCHED_WORDS

MB = 1024 * 1024
T = TypeVar("T")


def _setting(default: T, source: str, means: str) -> T:
    """Return a dataclass field with its default, its source and its meaning."""
    return field(default=default, metadata={"source": source, "means": means})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Settings of the rules: every number and switch."""

    max_file_bytes: int = _setting(
        10 * MB, "R13", "original bytes of one file; more fills mailboxes of small agencies"
    )
    max_document_bytes: int = _setting(50 * MB, "R13", "original bytes of all files; more blocks slow lines")
    allowed_types: frozenset[str] = _setting(
        frozenset(
            {
                "txt",
                "odt",
                "rtf",
                "doc",
                "docx",
                "xls",
                "xlsx",
                "ods",
                "csv",
                "ppt",
                "pptx",
                "pdf",
                "jpeg",
                "png",
                "zip",
            }
        ),
        "R10, R11, R12",
        "types by content; a type added here is not inspected for active content unless the inspector knows it",
    )
    lead_types: frozenset[str] = _setting(
        frozenset({"pdf"}),
        "R11",
        "types of the lead file; only PDF carries the signatures that give legal value",
    )
    unsigned_lead: str = _setting(
        "warn",
        "R19, R22",
        "refuse or warn where the lead file lacks a valid signature of the agency; warn lets unsigned papers leave",
    )
    delivery_modes: Mapping[str, DeliveryMode] = field(
        default_factory=dict,
        metadata={"source": "R6, R21", "means": "own delivery mode by key of type, before that of its class"},
    )
    unsigned_arrival: str = _setting(
        "take",
        "R20, R59",
        "take, mark or hold where an arrival's lead file lacks a signature; hold lets no unsigned paper pass unseen",
    )
    wrong_seal: str = _setting(
        MARK,
        "R23",
        "mark or hold where an arrival's lead file has a seal that is not its sender's; mark leaves it to the clerk",
    )
    unknown_signer: str = _setting(
        "ask",
        "R19, R28",
        "ask or warn where the person who signed is not registered; warn lets papers leave that are proved by a seal alone",
    )
    paper_too: frozenset[str] = _setting(
        frozenset(), "R6, R21", "keys of types that go on paper too, before the table of delivery modes"
    )
    out_numbering: str = _setting(
        "A", "R34", "A document system, B this node, or C a clerk gives the numbers of outgoing documents"
    )
    out_books: str = _setting(READY_BOOKS, "R33", "books of outgoing documents, by marks in the notation")
    abbreviation: str = _setting("", "R35", "the agency's abbreviation in notations; empty checks none")
    type_marks: str = _setting("", "R35", "own abbreviations of types, before the usual ones")
    unit_marks: str = _setting("", "R35", "abbreviations of units that may end the notation of a letter")
    signing_acts: str = _setting("", "R28", "who may sign in which capacity and when; empty checks none")
    chosen: Mapping[str, ProfileVersion] = field(
        default_factory=dict,
        metadata={
            "source": "R139",
            "means": "what the agency itself chose, by setting, for the words of a verdict",
        },
    )
    pdf_roles: tuple[RoleRule, ...] = _setting(
        (), "R23", "own rules for telling an agency's certificate from a person's, before the usual ones"
    )
    max_archive_depth: int = _setting(2, "R12", "archives inside archives; more hides bombs and malware")
    max_archive_members: int = _setting(500, "R12", "members of one archive, nested ones counted")
    max_archive_ratio: int = _setting(
        100, "R12", "inflated size over stored size; more fills memory and disks"
    )
    refused_active: frozenset[str] = _setting(
        frozenset({"javascript", "launch", "macro", "remote-content", "script"}),
        "docs/errors.md",
        "active content refused on the way out and held on the way in; less lets code run on a clerk's machine",
    )
    warned_active: frozenset[str] = _setting(
        frozenset({"embedded-file"}), "docs/errors.md", "active content that only warns"
    )
    scan_required: bool = _setting(
        True, "docs/errors.md", "no file passes before the scanner said clean; less lets malware through"
    )
    refused_categories: frozenset[str] = _setting(
        frozenset({"complaint", "denunciation", "dispute", "sensitive", "harmful", "private"}),
        "R3",
        "content categories a sender may declare and that do not pass",
    )
    subject_keywords: tuple[str, ...] = _setting(
        WATCHED_WORDS, "R3", "words in a subject that warn; a keyword never refuses alone"
    )
    secrecy_stamps: tuple[str, ...] = _setting(
        SECRECY_STAMPS,
        "R2",
        "stamps on the first page of the lead file that a sender has to confirm; never refused alone",
    )
    timed_express: bool = _setting(
        True,
        "Decree 30/2020 article 4, Decision 28/2018 article 10",
        "offer the fourth urgency, express with a stated hour",
    )
    waiting_for: timedelta = _setting(  # noqa: RUF009 - a field
        timedelta(days=3), "docs/flow.md", "how long a packet waits for the document it acts on"
    )
    revocation_grace: timedelta = _setting(  # noqa: RUF009 - a field
        timedelta(hours=24), "R23", "unknown revocation accepted with a note; longer lets a revoked key speak"
    )
    recall_approval: str = _setting(
        "recorded",
        "R70",
        "recorded: the approving leader's name is entered; step: a head with an account agrees before it leaves",
    )
    recall_purge: timedelta = _setting(  # noqa: RUF009 - a field
        timedelta(days=30), "R70", "from an agreed recall to the purge of its files"
    )
    max_quarantine_bytes: int = _setting(
        1024 * MB,
        "docs/settings.md",
        "packets at this node that nobody is proved to have sent; more fills the disk",
    )
    retry_limit: timedelta = _setting(  # noqa: RUF009 - a field
        timedelta(hours=72), "docs/flow.md", "after this the delivery has failed"
    )


def for_agency(profile: Profile, chosen: Mapping[str, ProfileVersion]) -> Profile:
    """Return the node's rules as an agency changed them."""
    if not chosen:
        return profile
    values = {key: version.value for key, version in chosen.items()}
    return replace(
        profile,
        unsigned_lead=values.get(UNSIGNED_OUT, profile.unsigned_lead),
        unsigned_arrival=values.get(UNSIGNED_IN, profile.unsigned_arrival),
        wrong_seal=values.get(WRONG_SEAL, profile.wrong_seal),
        unknown_signer=values.get(UNKNOWN_SIGNER, profile.unknown_signer),
        paper_too=frozenset(filter(None, values.get(PAPER_TYPES, "").split(","))),
        out_numbering=values.get(OUT_NUMBERING, profile.out_numbering),
        out_books=values.get(OUT_BOOKS, profile.out_books),
        abbreviation=values.get(ABBREVIATION, profile.abbreviation),
        type_marks=values.get(TYPE_MARKS, profile.type_marks),
        unit_marks=values.get(UNIT_MARKS, profile.unit_marks),
        signing_acts=values.get(SIGNING_ACTS, profile.signing_acts),
        chosen=chosen,
    )


def told_by(profile: Profile, key: str) -> Mapping[str, str]:
    """Return the parameters of a reason that the agency's choice of that setting produced: its value, since when, who set
    it, and the agency's rulebook; none where the node's default did."""
    version = profile.chosen.get(key)
    if version is None:
        return {}
    rulebook = profile.chosen.get(RULEBOOK)
    params = {
        "profile": f"{key}.{version.value}",
        "since_on": local(version.from_when).date().isoformat(),
        "set_by": version.set_by_name,
    }
    return params | ({"rulebook": rulebook.value} if rulebook is not None else {})


def settings() -> tuple[tuple[str, object, str, str], ...]:
    """Return name, default, source and meaning of every setting, in order."""
    return tuple(
        (item.name, item.default, item.metadata["source"], item.metadata["means"]) for item in fields(Profile)
    )
