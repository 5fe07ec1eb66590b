"""The address of a caller: X-Forwarded-For is believed only as far as our own proxies wrote it."""

from __future__ import annotations

from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.api.admission import Entry
from gateway.api.deps import ApiOptions
from tests.support.cases import Cases

PROXY, SECOND_PROXY = "127.0.0.1", "192.0.2.1"
# The lines of the header, the peer, and whose address it is.
ROWS = [
    (("203.0.113.66",), PROXY, "203.0.113.66"),
    (("10.1.2.3, 203.0.113.66",), PROXY, "203.0.113.66"),
    (("10.1.2.3", "203.0.113.66"), PROXY, "203.0.113.66"),
    (("10.1.2.3, 10.4.5.6", "203.0.113.66"), PROXY, "203.0.113.66"),
    (("10.1.2.3", f"203.0.113.66, {SECOND_PROXY}"), PROXY, "203.0.113.66"),
    (("203.0.113.66", SECOND_PROXY), PROXY, "203.0.113.66"),
    ((SECOND_PROXY,), PROXY, SECOND_PROXY),
    ((), PROXY, PROXY),
    (("203.0.113.66",), "198.51.100.1", "198.51.100.1"),
    (("10.1.2.3", "nowhere"), PROXY, None),
]


def test_several_lines_are_one_list_and_only_addresses_that_our_proxies_added_count(cases: Cases) -> None:
    entry = Entry(ApiOptions(proxies=frozenset({PROXY, SECOND_PROXY})))
    for lines, peer, expected in ROWS:
        headers = CIMultiDict([("Host", "node"), *(("X-Forwarded-For", line) for line in lines)])
        request = make_mocked_request("GET", "/api/v1/inbox", headers=headers).clone(remote=peer)
        with cases.case((lines, peer)):
            address = entry._caller_address(request)
            assert (None if address is None else str(address)) == expected
