"""Suggestions for the next document from an agency's last ones."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.document import Draft, OutgoingDocument, OutState, Recipient, Signer
from gateway.domain.registry import AgencyEntry
from gateway_office.letters.habits import habits_of, ranked, remembered
from tests.support.clock import ManualClock
from tests.support.stores import outgoing

HEAD = Signer(name="Đặng Giám Đốc", title="Giám đốc")
DEPUTY = Signer(name="Lý Phó", title="Phó Giám đốc", competence="KT. GIÁM ĐỐC")


def sent(signer: Signer, *codes: str, state: OutState = OutState.PACKED) -> OutgoingDocument:
    draft = Draft(signer=signer, recipients=tuple(Recipient(code=code) for code in codes))
    return replace(outgoing(ManualClock()), draft=draft, state=state)


def test_a_signer_has_the_title_of_the_last_time_and_only_where_none_was_typed() -> None:
    habits = habits_of([sent(DEPUTY), sent(replace(DEPUTY, title="Trưởng phòng")), sent(HEAD)])

    assert [signer.name for signer in habits.signers] == ["Lý Phó", "Đặng Giám Đốc"]
    assert remembered(Signer(name="lý phó"), habits) == replace(DEPUTY, name="lý phó")
    assert remembered(Signer(name="Lý Phó", title="Quyền Giám đốc"), habits) == Signer(
        name="Lý Phó", title="Quyền Giám đốc"
    )
    assert remembered(Signer(name="Người Lạ"), habits) == Signer(name="Người Lạ")
    assert remembered(None, habits) is None


def test_offers_begin_with_the_own_province_and_there_with_the_usual_agencies() -> None:
    habits = habits_of(
        [sent(HEAD, "Z91.12", "Z90.01"), sent(HEAD, "Z91.07"), sent(HEAD, "Z91.07"), sent(HEAD, "Z91.07")]
    )
    rows = [AgencyEntry(code=code, name=code) for code in ("Z90.01", "Z90.02", "Z91.01", "Z91.12", "Z91.07")]

    codes = [r.code for r in ranked(rows, "Z91.30", habits)]

    assert codes == ["Z91.07", "Z91.12", "Z91.01", "Z90.01", "Z90.02"]


def test_a_name_as_it_was_typed_is_offered_before_a_usual_one_that_has_its_letters_elsewhere() -> None:
    names = {
        "Z90.01": "Xã An Mẫu",
        "Z91.12": "Ủy ban nhân dân xã Bình Mẫu",
        "Z91.20": "Ủy ban nhân dân xã An Mẫu",
    }
    rows = [AgencyEntry(code=code, name=name) for code, name in names.items()]

    codes = [r.code for r in ranked(rows, "Z91.30", habits_of([sent(HEAD, "Z91.12")]), "an mau")]

    assert codes == ["Z91.20", "Z91.12", "Z90.01"]


def test_what_was_only_drafted_or_is_sealed_is_no_habit() -> None:
    sealed = replace(sent(HEAD, "Z91.07"), is_sealed=True)

    assert habits_of([sent(HEAD, "Z91.07", state=OutState.DRAFT), sealed]).codes == {}
