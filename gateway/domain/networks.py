"""Networks from which something may be used. In: one address, or one network in CIDR form, as somebody wrote it. Out: the
network; whether an address lies in one. Pure. An IPv4 address that is written as an IPv6 one is that IPv4 address."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def network(text: str) -> Network:
    """ValueError for what is none, has a zone, or has bits set behind its prefix: 10.1.2.3/24 may mean one or many."""
    if "%" in text:
        raise ValueError(f"{text} has a zone")
    found = ip_network(text.strip())
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        inside = int(found.network_address) - int(_MAPPED.network_address)
        return IPv4Network((inside, found.prefixlen - _MAPPED.prefixlen))
    return found


def address(text: str) -> Address | None:
    """None for what is none."""
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def admit(networks: Collection[Network], caller: Address | None) -> bool:
    """No networks are all of them; who is nowhere is in none."""
    return not networks or (caller is not None and any(caller in each for each in networks))


def shown(found: Network) -> str:
    """One address without its prefix."""
    return str(found.network_address if found.num_addresses == 1 else found)
