"""Which addresses are public, by the registries of special addresses and by what hides one in another."""

from adapters.outgoing.doors import is_public

INSIDE = """\
0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 192.0.0.1 192.0.2.1 192.88.99.1
192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1
2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%1 fec0::1 ff02::1
"""
OUTSIDE = """\
1.1.1.1 8.8.8.8 93.184.216.34 100.128.0.1 172.32.0.1 2606:4700:4700::1111 2a00:1450:4001::1
"""


def test_an_internal_or_special_address_is_not_public() -> None:
    assert [address for address in INSIDE.split() if is_public(address)] == []


def test_the_address_of_a_host_on_the_internet_is() -> None:
    assert [address for address in OUTSIDE.split() if not is_public(address)] == []
