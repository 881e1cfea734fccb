"""Which addresses of the internet are everybody's, and which may be this network's own."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# https://www.iana.org/assignments/iana-ipv4-special-registry, whole blocks: what is globally
# reachable inside of one (such as 192.0.0.9) serves no pictures. The last is Azure's own server,
# which answers only the machines in its cloud, under an address that looks public.
_REFUSED_4: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
        ),
    )
)  # fmt: skip

# Only 2000::/3 is given out (https://www.iana.org/assignments/ipv6-address-space); outside of it
# are loopback, link-local, private, multicast, mapped, compatible and NAT64 addresses. Inside of it
# these are special: Teredo and its neighbours, documentation (twice), 6to4, and AS112.
_GIVEN_6: Final = ip_network("2000::/3")
_REFUSED_6: Final = tuple(
    map(
        ip_network,
        ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)

# As browsers have it (https://url.spec.whatwg.org/#ends-in-a-number-checker): such a host is an
# IPv4 address, in ways of writing that programs read differently.
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?", re.DOTALL)
_FOUR: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, and no way to another kind of address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in block for block in _REFUSED_4) and found.is_global
    if found.scope_id is not None or found not in _GIVEN_6:
        return False
    return not any(found in block for block in _REFUSED_6) and found.is_global


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host of a URL is; None: it is a name.

    Args:
        host: without the brackets of IPv6.

    Raises:
        ValueError: it is an address, and written so that programs may read it differently.
    """
    if ":" in host:
        return IPv6Address(host)
    if _FOUR.fullmatch(host):
        return IPv4Address(host)
    if _ENDS_IN_NUMBER.fullmatch(host):
        raise ValueError("it is an address in an unusual spelling")
    return None
