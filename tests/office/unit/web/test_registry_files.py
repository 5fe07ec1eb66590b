"""Files of codes as offices write them: whose column is whose, what is left out, and faults in the reader's language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.identity import Digest
from gateway.domain.registry_change import AgencyRecord
from gateway.policy import code_file as columns
from gateway.registry_authoring import csv_file
from gateway.registry_authoring.planning import Base, plan
from gateway_office.web.pages.agencies import common
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FAULTS = (
    "code,name\nZ91.01\n",
    "code,name\nZ91,A\nZ91,B\n",
    "code,name,parent\nZ91.01,A,Z92\n",
    "code,name,valid_from,valid_to\nZ91,A,2027-01-02,2027-01-01\n",
    "code,name,valid_from\nZ91,A,31/02/2027\n",
    "code,name,valid_from\nZ91,A,soon\n",
    "code,name,parent\nZ91.01,A,Z91.01\n",
    "code,name,alias\nZ91,A,X-1\nZ92,B,X-1\n",
    "code,name\n000.00.01.Z99,A\n",
    "code,name\nZ91,\n",
    "code,name\nZ91," + "a" * 501 + "\n",
    "code,nom\nZ91,A\n",
    "code,code,name\nZ91,Z91,A\n",
    'code,name\nZ91,"A\n',
    "code,name,scheme\n12 3,A,DN\n",
    "code,name,scheme\nZ91.01_B,A,DN\n",
    "code,name,scheme\n0199990001,A,dn mới\n",
    "code,name,scheme\n0199990000,A,HTX\n",
    "code,name,scheme,host\nCHO-01,A,PENDING,north\n",
    "",
)


def test_headings_of_offices_are_known_and_each_column_is_taken_once() -> None:
    names = columns.headings_of(
        "\ufeffMã định danh; TÊN CƠ QUAN ;name;Ghi chú;Ngày hiệu lực;Lược đồ\n1;2;3;4;5;6".encode()
    )

    assert columns.guess_columns(names) == ("code", "name", "", "", "valid_from", "scheme")


def test_a_file_is_rewritten_with_the_columns_that_were_matched() -> None:
    content = 'Mã;Ghi chú;Tên\nZ91;x;"A; B"\nZ92;y\n'.encode()

    assert columns.rename_columns(content, ("code", "", "name")) == b'code;name\nZ91;"A; B"\nZ92;y\n'


@pytest.mark.parametrize("raw", [b"code,name\nZ91,A\n", b"\xff\xfea", b""])
def test_a_file_that_needs_or_bears_no_change_stays_as_it_is(raw: bytes) -> None:
    assert columns.rename_columns(raw, columns.guess_columns(columns.headings_of(raw))) == raw


def test_every_fault_of_a_file_has_words_of_its_own_in_vietnamese(cases: Cases) -> None:
    record = AgencyRecord(code="Z99.01", name="A", alias="000.00.01.Z99")
    company = AgencyRecord(code="0199990000", name="B", scheme="DN")
    base = Base(records={record.code: record, company.code: company}, digest=Digest("0" * 64))

    def check(text: str) -> None:
        planned = plan(base, csv_file.read(text.encode()), Digest("1" * 64))
        assert planned.problems
        for problem in planned.problems:
            advice = common.row_advice(problem.advice, "vi")
            assert advice != common.row_advice("what nobody knows", "vi"), problem.advice
            assert common.row_advice(problem.advice, "en").lower() == problem.advice.lower()

    cases.check_rows(FAULTS, check)


def test_every_doubt_has_words_of_its_own_in_vietnamese() -> None:
    text = "code,name,decision\nZ91,A,1\nZ91.01,Ba,1\nZ91.02,Ba,1\nZ91.03,B\u00e0,1\nZ91.04,C,\n"
    text += "Z91.05,UBND xã,1\nZ91.06,SỞ Y TẾ,1\nZ91.07,So Tai chinh,1\n"
    text += "Z91.08,sở Nội vụ,1\nZ91.09,Sở Giáo dục Và Đào tạo,1\nZ91.10, Sở  Tư pháp,1\n"
    text += "Z91.11,So\u031b\u0309 Xây dựng,1\nZ91.11.01,Ba,1\n"

    planned = plan(Base(records={}, digest=Digest("0" * 64)), csv_file.read(text.encode()), Digest("1" * 64))

    texts = {common.row_advice(doubt.advice, "vi") for doubt in planned.doubts}
    assert len(texts) == 11
    assert common.row_advice("what nobody knows", "vi") not in texts
