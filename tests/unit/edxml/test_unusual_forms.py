"""Forms that our own writer never makes, one by one: the native readers say the same of each, as of every kind that it
makes. They are compared in `tests.support.readers`."""

from __future__ import annotations

import pytest

from gateway.edxml import canonical
from gateway.edxml.names import CONTENT
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.scan import NotMine
from tests.support import envelopes, pki, readers
from tests.support.cases import Cases

NATIVES = {
    name: envelopes.native(
        model, files, signer=pki.signer(model.sender.organ_id or "", "p256"), receipt=receipt
    )
    for name, model, files, receipt in envelopes.every_kind()
}


def test_every_kind_that_we_write_is_read_by_both(cases: Cases) -> None:
    for name, raw in NATIVES.items():
        with cases.case(name):
            assert readers.both(raw) is not None


UNUSUAL = {
    "markup in a text": ("document", "<edXML:Place>Sao Mai<", "<edXML:Place>Sao &amp; Mai<"),
    "blank": ("document", "<edXML:Place>Sao Mai<", "<edXML:Place> <"),
    "empty": ("document", "<edXML:Place>Sao Mai<", "<edXML:Place><"),
    "identity with a space": ("document", "<edXML:OrganId>Z93.05<", "<edXML:OrganId>Z93.05 <"),
    "identity null": ("document", "<edXML:OrganId>Z93.05<", "<edXML:OrganId>null<"),
    "number with a zero before it": ("document", "PageAmount>3<", "PageAmount>03<"),
    "number out of range": ("document", "Priority>0<", "Priority>9<"),
    "word for yes": ("document", "Direction>false<", "Direction>FALSE<"),
    "day in another form": ("document", "DueDate>2031/03/20<", "DueDate>20/03/2031<"),
    "day that is not there": ("document", "DueDate>2031/03/20<", "DueDate>2031/02/30<"),
    "hour that is not there": ("document", " 09:15:00<", " 25:15:00<"),
    "operation that is not known": ("document", "BussinessDocType>0<", "BussinessDocType>7<"),
    "empty part": ("document", "<edXML:To>", "<edXML:To></edXML:To><edXML:To>"),
    "subject left out": ("document", "edXML:Subject>", "edXML:ApplicationType>"),
    "another order": (
        "document",
        "<edXML:CodeNumber>118</edXML:CodeNumber><edXML:CodeNotation>STN-VP</edXML:CodeNotation>",
        "<edXML:CodeNotation>STN-VP</edXML:CodeNotation><edXML:CodeNumber>118</edXML:CodeNumber>",
    ),
    "file under another name": ("document", "cong-van.pdf", "cong-van-2.pdf"),
    "file that is no base64": ("document", CONTENT.start.decode(), CONTENT.start.decode() + "-"),
    "code of one digit": ("status 03", "<edXML:StatusCode>03<", "<edXML:StatusCode>3<"),
    "status of a document": (
        "document",
        "</edXML:Subject>",
        "</edXML:Subject><edXML:StatusCode>03</edXML:StatusCode>",
    ),
    "hour of a status left out": ("status 03", "edXML:Timestamp>", "edXML:Content>"),
}


def test_whatever_is_unusual_is_read_alike(cases: Cases) -> None:
    for name, (kind, text, other) in UNUSUAL.items():
        with cases.case(name):
            raw = NATIVES[kind].replace(text.encode(), other.encode(), 2 if text.startswith("edXML:") else 1)
            assert raw != NATIVES[kind]
            readers.both(raw)


def test_a_limit_of_a_file_is_its_own(cases: Cases) -> None:
    for limits in (
        EnvelopeLimits(attachments=1),
        EnvelopeLimits(recipients=1),
        EnvelopeLimits(text_bytes=20),
    ):
        with cases.case(limits), pytest.raises(NotMine):
            canonical.read_tree(NATIVES["document"], limits, opens=False)
