"""The operators' page shows the rows of the table of faults as the tests try them."""

from __future__ import annotations

from tests.labs.fault_table.report import PAGE, with_table


def test_the_page_has_the_table_of_faults_as_it_is_tried() -> None:
    page = PAGE.read_text("utf-8")

    assert with_table(page) == page, "run: python -m tests.labs.fault_table.report --page"
