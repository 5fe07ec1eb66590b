"""Strategies for any envelope that the wire can carry, and for files to put in it. What they draw, `build.write` must
take and the reader must give back unchanged."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import TypeVar

from hypothesis import strategies as st

from gateway.domain.document import Kind
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml.envelope import (
    Business,
    Code,
    DocumentInfo,
    DocumentType,
    Envelope,
    Organisation,
    OtherInfo,
    Receiver,
    ReplacementInfo,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusReport,
    TraceHeader,
)

T = TypeVar("T")

Files = Sequence[tuple[str, bytes]]
"""Names and contents, in the order of the attachments."""


def _writable(text: str) -> bool:
    return bool(text.strip(" \t\r\n")) and text.strip() != "null"


def texts(max_length: int) -> st.SearchStrategy[str]:
    """Text of every kind that may be written: markup signs, tab and line feed, and the last code point."""
    signs = st.sampled_from("&<>\"' \t\n]ắĐ\U0010ffff\u2028")
    letters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
    raw = st.text(st.one_of(signs, letters), min_size=1, max_size=max(max_length // 3, 1))
    return raw.map(lambda text: unicodedata.normalize("NFC", text)[:max_length]).filter(
        lambda text: _writable(text) and unicodedata.is_normalized("NFC", text)
    )


def _maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | strategy


def _some(strategy: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


_numbers = st.integers(0, 999_999_999)
_dates = st.dates(date(1900, 1, 1), date(2199, 12, 31))
_times = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)).map(
    lambda at: at.replace(microsecond=0, tzinfo=VIETNAM)
)
_ids = texts(75)
_staffs = st.builds(
    StaffInfo,
    department=texts(200),
    staff=_maybe(texts(200)),
    email=_maybe(texts(100)),
    mobile=_maybe(texts(20)),
)
_organisations = st.builds(
    Organisation,
    organ_id=_ids,
    organization_in_charge=_maybe(texts(500)),
    organ_name=_maybe(texts(200)),
    organ_add=_maybe(texts(500)),
    email=_maybe(texts(100)),
    telephone=_maybe(texts(20)),
    fax=_maybe(texts(20)),
    website=_maybe(texts(100)),
)
_responses = st.builds(
    ResponseFor,
    organ_id=_ids,
    code=_maybe(texts(75)),
    document_id=_maybe(texts(255)),
    promulgation_date=_maybe(_dates),
)
_other_documents = st.builds(
    OtherInfo,
    priority=_numbers,
    sphere_of_promulgation=_maybe(texts(100)),
    typer_notation=_maybe(texts(10)),
    promulgation_amount=_maybe(_numbers),
    page_amount=_maybe(_numbers),
    reply_fors=_maybe(texts(100)),
    direction=_maybe(st.booleans()),
    reference_codes=_maybe(texts(100)),
    appendixes=_some(texts(100)),
)
_changes = st.builds(
    DocumentInfo,
    document_info=st.booleans(),
    document_receiver=_maybe(st.booleans()),
    receivers=_some(st.builds(Receiver, organ_id=_ids, added=st.booleans())),
)
_replaced = st.builds(ReplacementInfo, document_id=texts(255), organ_ids=_some(_ids))
_OPERATIONS = {Kind.DOCUMENT: 0, Kind.RECALL: 1, Kind.UPDATE: 2, Kind.REPLACEMENT: 3}


@st.composite
def documents(draw: st.DrawFn) -> Envelope:
    """Any packet that carries a full header, without files."""
    kind = draw(st.sampled_from(list(_OPERATIONS)))
    business = st.builds(
        Business,
        doc_type=st.just(_OPERATIONS[kind]),
        document_id=_maybe(texts(255)),
        reason=_maybe(texts(500)),
        paper=_maybe(_numbers),
        document_info=_maybe(_changes),
        replacements=_some(_replaced),
        staff=_some(_staffs),
    )
    return draw(
        st.builds(
            Envelope,
            kind=st.just(kind),
            sender=_organisations,
            to=_some(_organisations),
            document_id=_maybe(texts(255)),
            code=_maybe(st.builds(Code, number=texts(11), notation=_maybe(texts(30)))),
            place=_maybe(texts(50)),
            promulgation_date=_maybe(_dates),
            document_type=_maybe(
                st.builds(DocumentType, type=_numbers, detail=_maybe(_numbers), name=_maybe(texts(100)))
            ),
            subject=_maybe(texts(500)),
            content=_maybe(texts(500)),
            signer=_maybe(
                st.builds(
                    SignerInfo,
                    competence=_maybe(texts(100)),
                    position=_maybe(texts(100)),
                    full_name=texts(255),
                )
            ),
            due_date=_maybe(_dates),
            other=_maybe(_other_documents),
            response_for=_some(_responses),
            steering_type=_maybe(_numbers),
            to_places=_some(texts(150)),
            task_codes=_some(texts(75)),
            application_type=_maybe(texts(100)),
            trace=_some(st.builds(TraceHeader, organ_id=_ids, timestamp=_maybe(_times))),
            business=business if kind is not Kind.DOCUMENT else _maybe(business),
        )
    )


def statuses() -> st.SearchStrategy[Envelope]:
    """Any status packet."""
    report = st.builds(
        StatusReport,
        code=st.sampled_from(["01", "02", "03", "04", "05", "06", "13", "15", "16"]),
        description=_maybe(texts(500)),
        timestamp=_maybe(_times),
        staff=_maybe(_staffs),
    )
    return st.builds(
        Envelope,
        kind=st.just(Kind.STATUS),
        sender=_organisations,
        response_for=_responses.map(lambda response: (response,)),
        status=report,
    )


def file_sets() -> st.SearchStrategy[Files]:
    """Files of any content; two may have one name."""
    ends = st.sampled_from(["pdf", "PDF", "zip", "txt", "docx", "xml", "tên.odt", "jpg"])
    letters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff/\\\u2028.")
    stems = st.text(letters, min_size=1, max_size=20).map(lambda text: unicodedata.normalize("NFC", text))
    name = st.tuples(stems.filter(_writable), ends).map(".".join)
    good = name.filter(lambda text: unicodedata.is_normalized("NFC", text))
    return st.lists(st.tuples(good, st.binary(max_size=2000)), max_size=4)
