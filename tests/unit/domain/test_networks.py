"""Networks as people write them, and who is in them."""

from __future__ import annotations

import pytest

from gateway.domain import account


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("203.0.113.10", "203.0.113.10/32"),
        (" 203.0.113.0/24 ", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("2001:DB8:12:0::/48", "2001:db8:12::/48"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.10", "203.0.113.10/32"),
    ],
)
def test_a_network_is_kept_in_one_form(text: str, kept: str) -> None:
    assert str(account.read_network(text)) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "here",
        "203.0.113.10/24",
        "203.0.113.0/33",
        "203.0.113.300",
        "010.0.0.1",
        "fe80::1%eth0",
        "1",
        "10.0.0.0-10",
    ],
)
def test_what_is_no_network_or_may_mean_two_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        account.read_network(text)


@pytest.mark.parametrize(
    ("caller", "is_in"),
    [
        ("203.0.113.0", True),
        ("203.0.113.255", True),
        ("203.0.114.0", False),
        ("::ffff:203.0.113.7", True),
        ("::ffff:203.0.114.7", False),
        ("::203.0.113.7", False),
        ("2001:db8:12:ffff::1", True),
        ("2001:db8:13::1", False),
        ("", False),
        ("203.0.113.7:443", False),
        ("somewhere", False),
    ],
)
def test_an_address_is_in_a_network_or_not(caller: str, is_in: bool) -> None:
    bound = [account.read_network("203.0.113.0/24"), account.read_network("2001:db8:12::/48")]

    assert account.networks_admit(bound, account.read_address(caller)) is is_in


def test_one_kind_of_address_is_in_no_network_of_the_other() -> None:
    assert not account.networks_admit([account.read_network("::/0")], account.read_address("203.0.113.7"))
    assert not account.networks_admit(
        [account.read_network("0.0.0.0/0")], account.read_address("2001:db8::7")
    )


def test_no_networks_are_all_of_them() -> None:
    assert account.networks_admit([], account.read_address("203.0.113.7"))
    assert account.networks_admit([], None)


def test_one_address_is_shown_without_its_prefix() -> None:
    shown = [
        account.shown_network(account.read_network(each))
        for each in ("203.0.113.10", "10.0.0.0/8", "2001:db8::7")
    ]

    assert shown == ["203.0.113.10", "10.0.0.0/8", "2001:db8::7"]
