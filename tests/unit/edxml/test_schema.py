"""The schemas take what our writer writes, both validators give one verdict, and every problem is named in words."""

from __future__ import annotations

import hashlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.domain.wall_clock import VIETNAM
from gateway.edxml import names, schema
from gateway.edxml.envelope import (
    Business,
    Code,
    DocumentInfo,
    DocumentType,
    Envelope,
    Organisation,
    OtherInfo,
    ReplacementInfo,
    ResponseFor,
    TraceHeader,
)
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.schema import RULES, skeleton
from gateway.errors import MalformedXml, Misconfigured
from tests.support import envelopes, strategies
from tests.support.amounts import examples
from tests.support.cases import Cases

SAMPLES = Path(__file__).parents[2] / "interop" / "samples"
LIMITS = EnvelopeLimits()
DAY, MOMENT = date(2031, 3, 4), datetime(2031, 3, 4, 9, 15, tzinfo=VIETNAM)


def _sample(name: str) -> str:
    return (SAMPLES / f"{name}.edxml").read_text()


def _skeleton(text: str, *, liberal: bool = False) -> bytes:
    return skeleton([text.encode()], LIMITS, liberal=liberal)


def _problems(text: str, *, liberal: bool = False) -> list[tuple[str, str]]:
    problems = schema.check(_skeleton(text, liberal=liberal)) or []
    return [(p.rule, p.path.rpartition("/")[2]) for p in problems]


def _changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


# What our writer writes


def test_every_kind_that_we_write_keeps_the_schema_and_every_rule_is_in_the_closed_set() -> None:
    for name, model, files, receipt in envelopes.every_kind():
        cut = skeleton([envelopes.native(model, files, receipt=receipt)], LIMITS)
        assert schema.check(cut) is None, name
        assert schema.explain(cut) == []

    rules = {rule for path in SAMPLES.glob("*.edxml") for rule in _rules_of(path)}

    assert rules
    assert rules <= set(RULES)

    for space in "\u00a0\u2003\u2028\u3000":
        cut = _skeleton(_changed(_sample("a-status"), "Sở Mô phỏng tỉnh Bình Minh", space))
        assert _fast_says_valid(cut) == _slow_says_valid(cut) is True, ascii(space)


@settings(max_examples=examples(50))
@given(st.one_of(strategies.documents(), strategies.statuses()))
def test_a_complete_model_of_any_content_is_accepted_by_both_validators(model: Envelope) -> None:
    cut = skeleton([envelopes.native(_complete(model), ())], LIMITS)

    assert schema.check(cut) is None
    assert schema.explain(cut) == []


@settings(max_examples=examples(50))
@given(st.one_of(strategies.documents(), strategies.statuses()))
def test_an_incomplete_model_gets_one_verdict_of_both_validators(model: Envelope) -> None:
    cut = skeleton([envelopes.native(replace(model, sender=_sender(model)), ())], LIMITS)

    assert _fast_says_valid(cut) == _slow_says_valid(cut)


ALPHABET = [
    *("Subject", "OrganId", "To", "Foo", "Priority", "", " ", "x" * 501, "2031/03/04", "-1", "0", "99", "\n"),
]


@settings(max_examples=examples(100))
@given(st.data())
def test_a_mutated_envelope_gets_one_verdict_of_both_validators(data: st.DataObject) -> None:
    root = etree.fromstring(_skeleton(_sample(data.draw(st.sampled_from(["a-new", "a-update", "a-status"])))))
    elements = list(root.iter())
    for _ in range(data.draw(st.integers(1, 3))):
        _mutate(data, data.draw(st.sampled_from(elements)), elements)
    cut = etree.tostring(root)

    assert _fast_says_valid(cut) == _slow_says_valid(cut)
    assert (schema.check(cut) is None) == (schema.explain(cut) == [])


def _mutate(data: st.DataObject, element: etree._Element, elements: list[etree._Element]) -> None:
    parent = element.getparent()
    match data.draw(st.integers(0, 4)):
        case 0 if parent is not None:
            parent.remove(element)
        case 1 if parent is not None:
            parent.append(etree.fromstring(etree.tostring(element)))
        case 2:
            element.text = data.draw(st.sampled_from(ALPHABET))
        case 3:
            element.set("version", data.draw(st.sampled_from(["1.0", "2"])))
        case _:
            other = data.draw(st.sampled_from(elements))
            element.append(etree.fromstring(etree.tostring(other)))


def _fast_says_valid(cut: bytes) -> bool:
    return bool(
        etree.XMLSchema(etree.parse(schema.folder() / _schema_name(cut))).validate(etree.fromstring(cut))
    )


def _slow_says_valid(cut: bytes) -> bool:
    return bool(_slow(_schema_name(cut)).is_valid(etree.fromstring(cut)))


def _schema_name(cut: bytes) -> str:
    path = "/".join(
        f"{{{names.QCVN}}}{step}" for step in ("edXMLEnvelope", "edXMLHeader", "MessageHeader", "StatusCode")
    )
    return schema.DOCUMENT if etree.fromstring(cut).find(path) is None else schema.STATUS


@cache
def _slow(name: str) -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(schema.folder() / name))


def _sender(model: Envelope) -> Organisation:
    return replace(model.sender, organ_id=envelopes.SENDER)


def _complete(model: Envelope) -> Envelope:
    """Add to the model what the form demands; all else stays as it was drawn."""
    model = replace(model, sender=_sender(model), response_for=tuple(map(_full_response, model.response_for)))
    if model.status is not None:
        status = model.status
        return replace(model, status=replace(status, timestamp=status.timestamp or MOMENT))
    to = {agency.organ_id.strip().upper(): agency for agency in model.to if agency.organ_id}
    return replace(
        model,
        to=tuple(to.values()) or (envelopes.document().to[0],),
        document_id=model.document_id or "1",
        code=_full_code(model.code),
        promulgation_date=model.promulgation_date or DAY,
        document_type=replace(model.document_type or DocumentType(), name=_name(model.document_type)),
        subject=model.subject or "1",
        other=_known_priority(model.other),
        trace=tuple(replace(hop, timestamp=hop.timestamp or MOMENT) for hop in model.trace)
        or (TraceHeader(timestamp=MOMENT),),
        business=_full_business(model.business),
    )


def _full_response(response: ResponseFor) -> ResponseFor:
    return replace(response, code=response.code or "1/A", promulgation_date=response.promulgation_date or DAY)


def _full_code(code: Code | None) -> Code:
    code = code or Code()
    return Code(number=code.number or "1", notation=code.notation or "A")


def _name(kind: DocumentType | None) -> str:
    return (kind.name if kind else None) or "Công văn"


def _known_priority(other: OtherInfo | None) -> OtherInfo | None:
    return other and replace(other, priority=(other.priority or 0) % 5)


def _full_business(business: Business | None) -> Business | None:
    if business is None:
        return None
    kind = business.doc_type
    info = replace(business.document_info or DocumentInfo(), document_info=True, document_receiver=False)
    replaced = business.replacements or (ReplacementInfo(document_id="1"),)
    return replace(
        business,
        document_id=business.document_id or "1",
        reason=business.reason or "1",
        document_info=info if kind == 2 else None,
        replacements=replaced if kind == 3 else (),
    )


# Words for people

SUBJECT = "<edXML:Subject>V/v phối hợp kiểm thử liên thông văn bản</edXML:Subject>"
OPERATION = "<edXML:BussinessDocType>0</edXML:BussinessDocType>"


def test_a_problem_is_named_with_its_place_and_rule(cases: Cases) -> None:
    sample = re.sub(r">\n *<", "><", _sample("a-new"))
    rows = [
        (SUBJECT, f"<edXML:Subject>{'v' * 501}</edXML:Subject>", ("length", "Subject")),
        (SUBJECT, "", ("missing", "Content")),
        (SUBJECT, "<edXML:Subject></edXML:Subject>", ("empty", "Subject")),
        (SUBJECT, SUBJECT + "<edXML:Odd>1</edXML:Odd>", ("unexpected", "Odd")),
        ("<edXML:OtherInfo>", "<edXML:OtherInfo>text", ("text", "OtherInfo")),
        ("<edXML:Place>Sao", "<edXML:Place><edXML:Odd/>Sao", ("child", "Place")),
        ("<edXML:Priority>0", "<edXML:Priority>5", ("value", "Priority")),
        ("2031/03/04</edXML:Prom", "04/03/2031</edXML:Prom", ("value", "PromulgationDate")),
        ("2031/03/04</edXML:Prom", "2031/02/31</edXML:Prom", ("date", "PromulgationDate")),
        (' version="1.0"><', ' version="1.1"><', ("attribute", "edXMLManifest")),
        ("<edXML:OrganId>Z93.05", "<edXML:OrganId>000.00.12.z92", ("receiver", "To[2]")),
        (OPERATION, OPERATION.replace("0", "2"), ("operation", "Bussiness")),
        (OPERATION, OPERATION.replace("0", "3"), ("operation", "Bussiness")),
        ("<edXML:CodeNotation>STN-VP</edXML:CodeNotation>", "", ("missing", "Code")),
    ]
    for old, new, problem in rows:
        with cases.case(problem):
            assert problem in _problems(_changed(sample, old, new))


def test_a_problem_has_the_line_of_the_file_and_a_label_and_never_quotes_what_the_document_says() -> None:
    text = _changed(_sample("a-new"), SUBJECT, "")
    (problem,) = schema.check(_skeleton(text)) or []
    # the declaration's line is the first and stands in no skeleton
    assert problem.line == text.split("<edXML:Content>")[0].count("\n")
    assert problem.path == "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader/Content"
    assert problem.sentence == "MessageHeader lacks Subject; Content stands in its place"
    assert problem.label_key == "schema.missing"
    text = _changed(_sample("a-new"), "2031/03/04</edXML:Prom", "secret-4711</edXML:Prom")
    assert "4711" not in repr(schema.check(_skeleton(text)))
    text = _changed(_sample("a-update"), "BussinessDocType>2", "BussinessDocType>1")
    assert _problems(text) == [("operation", "BussinessDocumentInfo")]


def _rules_of(path: Path) -> set[str]:
    try:
        return {problem.rule for problem in schema.check(skeleton([path.read_bytes()], LIMITS)) or []}
    except MalformedXml:
        return set()


# The skeleton


def test_order_and_empty_elements_mean_nothing_in_the_liberal_skeleton() -> None:
    """The strict one keeps the order of the file."""
    for name in (
        "document-id-last",
        "business-before-trace",
        "empty-elements",
        "no-prefixes",
        "all-prefixed",
        "crlf",
    ):
        assert _problems(_sample(name), liberal=True) == [], name
    assert _problems(_sample("document-id-last"))


def test_the_skeleton_is_bounded_and_holds_no_attachment_and_nothing_of_the_signature() -> None:
    raw = envelopes.native(files=(("cong-van.pdf", bytes(3_000_000)),), envelope=None)

    cut = skeleton([raw], LIMITS)

    assert len(cut) < 6000
    assert b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"></Signature>' in cut
    assert schema.check(cut) is None

    text = _changed(_sample("a-status"), "<edXML:Description>", "<edXML:Description>" + "x" * 5_000_000)

    with pytest.raises(MalformedXml) as caught:
        _skeleton(text)

    assert caught.value.code == "ENV-LIMIT"


def test_a_signature_may_stand_last_in_the_header_and_nowhere_else() -> None:
    text = _sample("a-status")
    foreign = f'<Signature xmlns="{names.DS}"/>'

    assert _problems(_changed(text, "</edXML:edXMLHeader>", foreign + "</edXML:edXMLHeader>")) == []
    assert _problems(_changed(text, "<edXML:MessageHeader>", foreign + "<edXML:MessageHeader>")) != []


# The files


def test_the_lengths_are_those_of_the_writers_table() -> None:
    checked = 0
    for path, element in names.paths():
        for name in (schema.DOCUMENT, schema.STATUS):
            declared = _slow(name).find(_xpath(path), namespaces={"q": names.QCVN})
            longest = getattr(getattr(declared, "type", None), "max_length", None)
            if longest is not None:
                assert (path, longest) == (path, element.max_length)
                checked += 1

    assert checked > 50


def _xpath(path: str) -> str:
    return "/" + "/".join("q:" + step.removeprefix("edXML:") for step in path.strip("/").split("/"))


def test_the_schemas_compile_and_have_the_digests_of_the_readme() -> None:
    schema.check_files()
    for name in (schema.DOCUMENT, schema.STATUS):
        assert schema.compiled(name)

    readme = (schema.folder() / "README.md").read_text()

    for path in sorted(schema.folder().glob("*.xsd")):
        assert f"`{path.name}`" in readme
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme


def test_a_schema_that_is_missing_is_named_before_the_first_packet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / schema.DOCUMENT).touch()
    (tmp_path / schema.TYPES).touch()
    monkeypatch.setattr(schema, "folder", lambda: tmp_path)

    with pytest.raises(Misconfigured, match=schema.STATUS):
        schema.check_files()


def test_two_threads_never_make_schemas_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library makes its types with the first schema of a process, and does not bear with a second maker meanwhile."""
    entered, inside, most = threading.Event(), list[str](), list[int]()
    real = etree.XMLSchema

    def make_schema(tree: etree._ElementTree) -> etree.XMLSchema:
        inside.append(threading.current_thread().name)
        most.append(len(inside))
        entered.wait(0.2)  # in vain, as they have to wait
        entered.set()
        try:
            return real(tree)
        finally:
            inside.pop()

    monkeypatch.setattr(etree, "XMLSchema", make_schema)
    schema.compiled.cache_clear()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(schema.compiled, (schema.DOCUMENT, schema.STATUS)))

    assert most == [1, 1]
