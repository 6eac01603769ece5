"""Where deliveries may go: to public addresses over https, and wherever else whoever runs the relay allows by name."""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult

# What Python calls global and is no single public host: relays of 6to4, and multicast is asked for apart.
_NOT_PUBLIC_V4 = (IPv4Network("192.88.99.0/24"),)
# Global unicast is 2000::/3; in it Teredo and other special ones, documentation, and 6to4, which hides an IPv4 address.
# All that maps or translates IPv4 lies outside, and so does all that is local.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


class DoorClosed(Exception):
    """A delivery may not go there; the text says why, without the addresses of inner hosts."""


def is_public(text: str) -> bool:
    """Whether an address is one of a single host on the public Internet."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        inside = address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
        return inside and address.is_global and address.scope_id is None
    return address.is_global and not address.is_multicast and not any(address in net for net in _NOT_PUBLIC_V4)


@dataclass(frozen=True)
class Doors:
    """What is allowed besides.

    internal: hosts, by the names that addresses call them, that may be inside; http: whether plain http may be used.
    """

    internal: frozenset[str] = frozenset()
    http: bool = False

    async def through(self, to: SplitResult) -> list[str]:
        """The IP addresses that a host has, all of them allowed: connect to one of these and not to the name again.

        Raises:
            DoorClosed: one of them, or plain http, is not allowed.
            OSError: the name is not known.
        """
        if to.scheme == "http" and not self.http:
            raise DoorClosed("plain http is not allowed")
        host = to.hostname or ""
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if host not in self.internal and not all(map(is_public, addresses)):
            raise DoorClosed("the host is internal")
        return addresses
