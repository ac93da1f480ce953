"""Which addresses are announced."""

from __future__ import annotations

import ipaddress

import pytest

from config.settings import load_settings
from sfu.addresses import MAX_ANNOUNCED, announced, interface_addresses
from sfu.worker import addresses_of

MACHINE = ("127.0.0.1", "192.0.2.7", "198.51.100.9", "::1", "2001:db8::7", "fe80::1")


@pytest.mark.parametrize(
    ("case", "configured", "interfaces", "ipv6", "loopback", "expected"),
    [
        (
            "auto: every address that others reach",
            ["auto"],
            MACHINE,
            True,
            False,
            ["192.0.2.7", "198.51.100.9", "2001:db8::7"],
        ),
        ("IPv4 only", ["auto"], MACHINE, False, False, ["192.0.2.7", "198.51.100.9"]),
        (
            "for browsers of this machine loopback comes first",
            ["auto"],
            MACHINE,
            True,
            True,
            ["127.0.0.1", "::1", "192.0.2.7", "198.51.100.9", "2001:db8::7"],
        ),
        ("nothing but loopback", ["auto"], ("127.0.0.1", "::1"), True, False, ["127.0.0.1", "::1"]),
        ("nothing but loopback, IPv4", ["auto"], ("127.0.0.1",), False, False, ["127.0.0.1"]),
        ("no interface at all", ["auto"], (), False, False, ["127.0.0.1"]),
        (
            "a public address behind NAT beside the own ones",
            ["auto", "203.0.113.7"],
            ("10.0.0.5",),
            True,
            False,
            ["10.0.0.5", "203.0.113.7"],
        ),
        ("only the configured one", ["203.0.113.7"], MACHINE, True, False, ["203.0.113.7"]),
        ("a configured loopback stays", ["127.0.0.1"], MACHINE, True, False, ["127.0.0.1"]),
        ("a configured IPv6 needs an IPv6 port", ["2001:db8::9"], MACHINE, False, False, ["127.0.0.1"]),
        (
            "no doubles, however they are written",
            ["2001:db8:0:0::7", "auto"],
            ("2001:DB8::7",),
            True,
            False,
            ["2001:db8::7"],
        ),
        (
            "no multicast and no wildcard",
            ["0.0.0.0", "224.0.0.1", "::"],
            (),
            True,
            False,
            ["127.0.0.1", "::1"],
        ),
    ],
)
def test_announced(
    case: str,
    configured: list[str],
    interfaces: tuple[str, ...],
    *,
    ipv6: bool,
    loopback: bool,
    expected: list[str],
) -> None:
    assert list(announced(configured, interfaces, ipv6=ipv6, loopback=loopback)) == expected, case


def test_answers_stay_small_on_a_machine_with_many_addresses() -> None:
    many = [f"10.0.0.{n}" for n in range(1, 200)]
    assert len(announced(["auto"], many, ipv6=True, loopback=False)) == MAX_ANNOUNCED


def test_this_machine_has_a_loopback_address() -> None:
    found = interface_addresses()
    assert "127.0.0.1" in found
    for address in found:
        ipaddress.ip_address(address)


@pytest.mark.parametrize(
    ("overrides", "first"),
    [
        ({}, "127.0.0.1"),
        ({"media.host": "127.0.0.1"}, "127.0.0.1"),
        ({"media.host": "192.0.2.50", "server.public": "a.example"}, "192.0.2.50"),
        ({"media.announce": ["203.0.113.7"], "server.public": "a.example"}, "203.0.113.7"),
    ],
)
def test_settings_decide(overrides: dict[str, object], first: str) -> None:
    assert addresses_of(load_settings({}, overrides=overrides))[0] == first
