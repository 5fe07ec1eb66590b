"""A desk of accounts on a migrated database with two agencies, and a clock the tests own."""

from __future__ import annotations

import pytest

from gateway.pool import ThreadPool
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.rows import account_services
from tests.support.clock import ManualClock
from tests.support.fixtures import BOTH_KINDS
from tests.support.fixtures import cheap_passwords as cheap_passwords

# Where two transactions meet, or SQL is asked in a way of its own; the rest is the same code on both.
ON_BOTH = {
    "test_many_tries_at_once_gain_nothing",
    "test_a_new_account_is_taken_up_by_its_person_alone",
    "test_a_password_change_closes_all_other_sessions_and_renews_this_one",
    "test_a_delegation_acts_once_a_head_agreed",
    "test_an_account_of_an_agency_that_exchanges_documents_is_not_suspended",
    "test_two_sweeps_at_once_leave_a_clerk",
    "test_a_second_factor_and_each_recovery_code_are_good_once",
    "test_a_post_is_given_once_a_second_administrator_confirmed",
    "test_two_confirmations_at_once_put_it_in_force_once",
    "test_accounts_are_counted_by_role_and_agency_as_used_never_used_and_locked",
    "test_a_mailbox_is_a_name_for_which_persons_act",
    "test_two_operators_at_once_answer_once",
    "test_an_end_withdraws_the_account_or_only_the_posts_here_of_people_with_others_elsewhere",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "url" in metafunc.fixturenames:
        kinds = BOTH_KINDS if metafunc.function.__name__ in ON_BOTH else ["sqlite"]
        metafunc.parametrize("url", kinds, indirect=True)


@pytest.fixture
def services(store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool) -> AccountServices:
    return account_services(store, clock, pool)
