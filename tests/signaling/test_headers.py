"""Security headers, and which address counts as the client's."""

from __future__ import annotations

import ipaddress

import pytest

from signaling.headers import client_address, rate_key, security

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("fd00::1", "[2001:db8::5]:1234", "2001:db8::5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_a_trusted_proxy_speaks_for_others(peer: str, forwarded: str, address: str) -> None:
    assert client_address(peer, {"X-Forwarded-For": forwarded} if forwarded else {}, PROXIES) == address


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_ipv6_is_limited_by_its_network(address: str, key: str) -> None:
    assert rate_key(address) == key


def test_the_policy_has_no_way_around() -> None:
    policy = security("https://lessons.example")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'self' wss://lessons.example" in policy


def test_strict_transport_only_over_https() -> None:
    assert "Strict-Transport-Security" in security("https://a")
    assert "Strict-Transport-Security" not in security("http://a")
