"""Networks as people write them, and who is in them."""

from __future__ import annotations

import pytest

from gateway.domain.account import networks_admit, read_address, read_network, shown_network
from tests.support.cases import Cases


def test_a_network_is_kept_in_one_form() -> None:
    forms = {
        "203.0.113.10": "203.0.113.10/32",
        " 203.0.113.0/24 ": "203.0.113.0/24",
        "203.0.113.0/255.255.255.0": "203.0.113.0/24",
        "2001:DB8:12:0::/48": "2001:db8:12::/48",
        "2001:db8::7": "2001:db8::7/128",
        "::ffff:203.0.113.0/120": "203.0.113.0/24",
        "::ffff:203.0.113.10": "203.0.113.10/32",
    }
    assert {text: str(read_network(text)) for text in forms} == forms


def test_what_is_no_network_or_may_mean_two_is_refused(cases: Cases) -> None:
    for text in (
        *("", "here", "203.0.113.10/24", "203.0.113.0/33", "203.0.113.300"),
        *("010.0.0.1", "fe80::1%eth0", "1", "10.0.0.0-10"),
    ):
        with cases.case(text), pytest.raises(ValueError, match=r".+"):
            read_network(text)


def test_an_address_is_in_a_network_or_not() -> None:
    bound = [read_network("203.0.113.0/24"), read_network("2001:db8:12::/48")]
    inside = {
        "203.0.113.0": True,
        "203.0.113.255": True,
        "203.0.114.0": False,
        "::ffff:203.0.113.7": True,
        "::ffff:203.0.114.7": False,
        "::203.0.113.7": False,
        "2001:db8:12:ffff::1": True,
        "2001:db8:13::1": False,
        "": False,
        "203.0.113.7:443": False,
        "somewhere": False,
    }
    assert {caller: networks_admit(bound, read_address(caller)) for caller in inside} == inside


def test_one_address_is_shown_without_its_prefix_and_is_in_no_network_of_the_other_kind() -> None:
    for text in ("203.0.113.10", "10.0.0.0/8", "2001:db8::7"):
        assert shown_network(read_network(text)) == text

    assert not networks_admit([read_network("::/0")], read_address("203.0.113.7"))
    assert not networks_admit([read_network("0.0.0.0/0")], read_address("2001:db8::7"))
    assert networks_admit([], read_address("203.0.113.7"))
    assert networks_admit([], None)
