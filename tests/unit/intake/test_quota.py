"""Strangers reach their own cap before everybody's, and forget as time passes."""

from leadkeep.intake.quota import Quota


def test_one_address_is_capped_before_all_are() -> None:
    quota = Quota(each=100, total=250)
    assert [quota.take("192.0.2.1", 60, 0) for _ in range(3)] == [True, False, False]
    assert quota.take("192.0.2.2", 100, 0)
    assert quota.take("192.0.2.3", 90, 0)
    assert not quota.take("192.0.2.4", 1, 0)


def test_what_was_refused_is_not_booked() -> None:
    quota = Quota(each=100, total=1_000)
    assert not quota.take("192.0.2.1", 101, 0)
    assert quota.take("192.0.2.1", 100, 0)


def test_amounts_leak_away_evenly_in_an_hour() -> None:
    quota = Quota(each=100, total=1_000)
    assert quota.take("192.0.2.1", 100, 0)
    assert not quota.take("192.0.2.1", 51, 1_800)
    assert quota.take("192.0.2.1", 50, 1_800)
    assert not quota.take("192.0.2.1", 100, 3_600)
    assert quota.take("192.0.2.1", 100, 9_000)


def test_the_total_leaks_away_too() -> None:
    quota = Quota(each=100, total=100)
    assert quota.take("192.0.2.1", 100, 0)
    assert not quota.take("192.0.2.2", 100, 1_800)
    assert quota.take("192.0.2.2", 50, 1_800)


def test_an_ipv6_network_counts_as_one_sender() -> None:
    quota = Quota(each=100, total=1_000)
    assert quota.take("2001:db8::1", 100, 0)
    assert not quota.take("2001:db8::ffff:2", 1, 0)
    assert quota.take("2001:db8:0:1::1", 100, 0)


def test_memory_is_bounded_however_many_addresses_come() -> None:
    quota = Quota(each=1_000, total=10**9)
    for number in range(25_000):
        assert quota.take(f"a{number}", 1, 0)
    assert len(quota._levels) <= 10_000


def test_a_cap_of_zero_takes_nothing() -> None:
    assert not Quota(each=0, total=100).take("192.0.2.1", 1, 0)
    assert not Quota(each=100, total=0).take("192.0.2.1", 1, 0)
