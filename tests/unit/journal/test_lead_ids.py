"""Lead ids: UUIDv7, strictly increasing, whatever the clock does."""

from threading import Thread
from uuid import UUID

from leadkeep.journal.identity import LeadIds
from tests.fakes.clock import FakeClock


def test_an_id_is_a_uuid_of_version_7_with_the_clocks_millisecond(clock: FakeClock) -> None:
    made = UUID(bytes=LeadIds(clock).next())
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == clock.now_ms


def test_its_text_is_the_usual_form(clock: FakeClock) -> None:
    ids = LeadIds(clock)
    made = ids.next()
    assert ids.text(made) == str(UUID(bytes=made))


def test_ids_increase_through_a_standing_clock_and_one_that_goes_back(clock: FakeClock) -> None:
    ids = LeadIds(clock)
    made = [ids.next() for _ in range(10_000)]  # More than one millisecond's counter holds.
    clock.jump(-10 * 365 * 86_400)
    made += [ids.next() for _ in range(1_000)]
    clock.jump(20 * 365 * 86_400)
    made += [ids.next(), ids.next(clock.now_us())]
    assert made == sorted(set(made))
    assert all(UUID(bytes=one).version == 7 for one in made)


def test_two_doors_in_the_same_millisecond_make_different_ids(clock: FakeClock) -> None:
    one, other = LeadIds(clock), LeadIds(clock)
    assert not {one.next() for _ in range(2_000)} & {other.next() for _ in range(2_000)}


def test_threads_never_get_the_same_id(clock: FakeClock, hasty_threads: None) -> None:
    ids = LeadIds(clock)
    made: list[list[bytes]] = [[], [], []]
    threads = [
        Thread(target=lambda mine=mine: mine.extend(ids.next() for _ in range(1_000)))
        for mine in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for mine in made for one in mine}) == 3_000
