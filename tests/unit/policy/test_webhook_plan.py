"""A webhook is tried again by a plan, and may be sent to certain addresses of machines only."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.account import read_network
from gateway.domain.webhook import LONGEST_ANSWER, Reach, cleaned, may_reach, read_url
from gateway.errors import BadForm
from gateway.policy import upkeep
from gateway.policy.upkeep import RETRY_JITTER, WEBHOOK_DELAYS_S, GiveUp
from tests.support.cases import Cases

DAY = timedelta(days=1)


def next_try(attempt: int, age: timedelta, jitter: float) -> timedelta | GiveUp:
    return upkeep.next_try(attempt, permanent=False, age=age, chance=jitter, delays_s=WEBHOOK_DELAYS_S)


def tries(chances: list[float], took: list[float]) -> list[timedelta]:
    """Return the ages of all tries of one event that never comes through."""
    age, ages = timedelta(), [timedelta()]
    for attempt in range(1, 100):
        wait = next_try(attempt, age, chances[attempt % len(chances)])
        if isinstance(wait, GiveUp):
            return ages
        age += wait + timedelta(seconds=took[attempt % len(took)])
        ages.append(age)
    raise AssertionError("it is tried for ever")


def test_the_plan_is_that_of_the_specification() -> None:
    ages = tries([0.0], [0.0])
    waits = [later_age - earlier for earlier, later_age in pairwise(ages)]

    seconds = [5, 30, 120, 600, 3600, 3 * 3600, 8 * 3600, 24 * 3600]
    assert waits[:8] == [timedelta(seconds=second) for second in seconds]
    assert waits[8:10] == [timedelta(hours=12)] * 2
    assert ages[-1] == 3 * DAY


chance = st.floats(0, 1, exclude_max=True)


@given(st.lists(chance, min_size=1, max_size=20), st.lists(st.floats(0, 30), min_size=1, max_size=20))
def test_it_ends_after_three_days_and_never_hurries(chances: list[float], took: list[float]) -> None:
    ages = tries(chances, took)
    waits = [later_age - earlier for earlier, later_age in pairwise(ages)]

    assert 3 * DAY <= ages[-1] <= 3 * DAY + timedelta(seconds=30)
    assert len(ages) <= 12
    assert min(waits) >= timedelta(0)
    for n, wait in enumerate(waits[:-1]):
        least = WEBHOOK_DELAYS_S[n] if n < len(WEBHOOK_DELAYS_S) else 12 * 3600
        assert timedelta(seconds=least) <= wait <= timedelta(seconds=math.ceil(least * 1.1) + 31)


@given(st.integers(-5, 10**6), st.timedeltas(timedelta(), 10 * DAY), chance)
def test_no_wait_passes_the_limit(attempt: int, age: timedelta, jitter: float) -> None:
    wait = next_try(attempt, age, jitter)

    assert isinstance(wait, GiveUp) == (age >= 3 * DAY)
    if isinstance(wait, timedelta):
        assert timedelta() < wait <= DAY * (1 + RETRY_JITTER)
        assert age + wait <= 3 * DAY


@given(st.timedeltas(timedelta(), 7 * DAY), st.none() | st.timedeltas(-DAY, 7 * DAY))
def test_a_secret_is_never_good_for_longer_than_it_was(
    overlap: timedelta, remaining: timedelta | None
) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    end = upkeep.secret_end(now, None if remaining is None else now + remaining, overlap)

    assert end <= now + overlap
    assert remaining is None or end <= now + remaining


INSIDE = [
    *("127.0.0.1", "127.8.8.8", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1"),
    *("2002:7f00:1::", "2002:a01:203::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "5f00::1", "4000::1"),
]


def test_threat_089_an_address_inside_is_not_reached_however_written_and_an_allowed_network_alone_is() -> (
    None
):
    assert [address for address in INSIDE if may_reach(ip_address(address))] == []
    for address in ("8.8.8.8", "1.1.1.1", "2606:4700::1", "2a00:1450::5", "64:ff9b::808:808"):
        assert may_reach(ip_address(address))

    allowed = (read_network("10.20.0.0/16"), read_network("fd00:1::/32"))

    assert may_reach(ip_address("10.20.3.4"), allowed)
    assert may_reach(ip_address("::ffff:10.20.3.4"), allowed)
    assert may_reach(ip_address("fd00:1::7"), allowed)
    assert not may_reach(ip_address("10.21.0.1"), allowed)
    assert not may_reach(ip_address("127.0.0.1"), allowed)


@given(st.ip_addresses(v=4))
def test_threat_089_a_form_of_version_six_hides_nothing(address: IPv4Address) -> None:
    mapped = IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    translated = IPv6Address(bytes.fromhex("0064ff9b") + b"\0" * 8 + address.packed)

    assert may_reach(mapped) == may_reach(address)
    assert may_reach(translated) == may_reach(address)
    assert not may_reach(IPv6Address(b"\0" * 12 + address.packed))
    assert not may_reach(IPv6Address(bytes.fromhex("2002") + address.packed + b"\0" * 10))


@given(st.ip_addresses(v=4))
def test_what_no_list_says_is_public_is_not_reached(address: IPv4Address) -> None:
    private = [
        *map(IPv4Network, ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"))
    ]

    assert not (may_reach(address) and any(address in network for network in private))


def test_an_address_of_another_form_is_refused(cases: Cases) -> None:
    for url in (
        *("http://example.gov.vn/", "ftp://example.gov.vn/", "//example.gov.vn", "https://", "https:///x"),
        *("example.gov.vn", "https://user:pass@example.gov.vn/", "https://@example.gov.vn/", "https://[::1"),
        *("https://example.gov.vn/#part", "https://example.gov.vn/a b", "https://example.gov.vn:0/"),
        *(
            "https://example.gov.vn:99999/",
            "https://exämple.vn/",
            "https://a\\@b.vn/",
            "https://a.vn/\r\nx: y",
        ),
        *("https://127.1/", "https://2130706433/", "https://0177.0.0.1/"),
        "https://example.gov.vn/" + "a" * 2000,
    ):
        with cases.case(url):
            with pytest.raises(BadForm) as why:
                read_url(url, Reach())
            assert why.value.code == "GW-HOOK-URL"


def test_threat_089_an_inner_address_is_refused_when_it_is_entered_and_good_ones_are_accepted() -> None:
    for host in (
        *("127.0.0.1", "[::1]", "[fe80::1%25eth0]", "[::ffff:10.0.0.1]", "169.254.169.254", "192.168.0.1"),
    ):
        with pytest.raises(BadForm) as why:
            read_url(f"https://{host}/events", Reach())
        assert why.value.code == "GW-HOOK-ADDRESS"
    url = "https://qlvb.example.gov.vn:8443/events?key=1"
    assert read_url(url, Reach()).hostname == "qlvb.example.gov.vn"
    assert read_url("https://8.8.8.8/", Reach()).hostname == "8.8.8.8"
    inner = Reach(networks=(read_network("10.0.0.0/8"),), plain=True)
    assert read_url("http://10.0.0.1/", inner).port is None


@given(st.binary(max_size=5000))
def test_what_was_answered_is_text_on_one_line_and_short(answer: bytes) -> None:
    text = cleaned(answer)

    assert text.isprintable()
    assert len(text) <= LONGEST_ANSWER


def test_what_may_be_a_secret_is_not_kept() -> None:
    for answer in (
        "key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "Authorization: Bearer abc.def.ghi",
        "gwk_0123456789abcdefghij",
        "sig v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ):
        text = cleaned(answer.encode())
        assert "***" in text
        for part in ("MfKQ9r8", "abc.def", "0123456789", "K5oZfzN9"):
            assert part not in text
