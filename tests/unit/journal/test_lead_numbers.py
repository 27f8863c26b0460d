"""Lead numbers: 13 digits, never twice, never standing in the way of a lead."""

import fcntl
import multiprocessing
from pathlib import Path
from threading import Thread

import pytest

from leadkeep.errors import JournalUnavailable
from leadkeep.journal.numbers import (
    BLOCK_NUMBERS,
    LeadNumbers,
    first_free_number,
    raise_first_free,
)
from tests.fakes.clock import FakeClock
from tests.unit.journal.journal_parts import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "numbers"


def test_numbers_start_at_the_time_in_milliseconds_and_increase(
    path: Path, clock: FakeClock
) -> None:
    numbers = LeadNumbers(path, clock)
    given = [numbers.next() for _ in range(1_000)]
    assert given == list(range(clock.now_ms, clock.now_ms + 1_000))
    assert all(len(str(number)) == 13 for number in given)


def test_after_a_restart_no_number_is_given_again(path: Path, clock: FakeClock) -> None:
    last = max(LeadNumbers(path, clock).next() for _ in range(10))
    clock.jump(-10 * 365 * 86_400)
    assert LeadNumbers(path, clock).next() > last


def test_the_next_block_is_asked_for_when_half_is_used_and_follows_on(
    path: Path, clock: FakeClock
) -> None:
    numbers = LeadNumbers(path, clock)
    first = numbers.next()
    numbers.reserve()
    while numbers.needs_block():
        numbers.reserve()
    for _ in range(BLOCK_NUMBERS - 1):
        last = numbers.next()
        if numbers.needs_block():
            numbers.reserve()
    assert last == first + BLOCK_NUMBERS - 1
    assert numbers.next() == last + 1


def test_without_a_block_it_gives_nought_rather_than_wait(path: Path, clock: FakeClock) -> None:
    numbers = LeadNumbers(path, clock)
    numbers.next()
    numbers._next = numbers._end - 1
    assert numbers.needs_block()
    numbers.next()
    assert numbers.next() == 0
    numbers.reserve()
    assert numbers.next() > 0


@pytest.mark.parametrize(
    "content", [b"", b"leadkeep-numbers 1 1786802449123 00000000\n", b"\0" * 40, b"9" * 500]
)
def test_a_damaged_file_is_replaced_from_the_floors_and_the_time(
    path: Path, clock: FakeClock, content: bytes
) -> None:
    LeadNumbers(path, clock).next()
    path.write_bytes(content)
    highest = clock.now_ms + 5 * BLOCK_NUMBERS
    assert LeadNumbers(path, clock, floors=[lambda: highest]).next() == highest + 1


def test_floors_are_asked_only_when_the_file_does_not_tell(path: Path, clock: FakeClock) -> None:
    LeadNumbers(path, clock).next()
    asked: list[str] = []

    def floor() -> int:
        asked.append("asked")
        return 0

    LeadNumbers(path, clock, floors=[floor]).next()
    assert asked == []


def test_a_floor_that_fails_is_passed_over(path: Path, clock: FakeClock) -> None:
    def broken() -> int:
        raise RuntimeError("the store is being migrated")

    highest = clock.now_ms + 7
    assert LeadNumbers(path, clock, floors=[broken, lambda: highest]).next() == highest + 1


def test_a_clock_before_all_time_still_gives_13_digits(path: Path) -> None:
    assert LeadNumbers(path, FakeClock(now_us=0)).next() == 10**12


def test_a_clock_gone_mad_does_not_use_up_the_numbers(path: Path, clock: FakeClock) -> None:
    first = LeadNumbers(path, clock).next()
    mad = FakeClock(now_us=10**17)
    assert first < LeadNumbers(path, mad).next() < first + 2 * BLOCK_NUMBERS


def test_beyond_13_digits_there_are_none_and_leads_go_unnumbered(
    path: Path, clock: FakeClock
) -> None:
    numbers = LeadNumbers(path, clock, floors=[lambda: 10**13 - 3])
    assert [numbers.next() for _ in range(4)] == [10**13 - 2, 10**13 - 1, 0, 0]
    numbers.reserve()
    assert numbers.next() == 0
    assert LeadNumbers(path, clock).next() == 0


def test_a_file_that_cannot_be_written_is_said_and_leads_go_unnumbered(
    tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / "numbers").mkdir()
    numbers = LeadNumbers(tmp_path / "numbers", clock)
    assert numbers.next() == 0
    with pytest.raises(JournalUnavailable, match="cannot be reserved"):
        numbers.reserve()


def _take(path: Path, count: int, results: "multiprocessing.Queue[list[int]]") -> None:
    numbers = LeadNumbers(path, FakeClock())
    given = []
    for _ in range(count):
        given.append(numbers.next())
        if len(given) % 50 == 0:
            numbers._next = numbers._end  # Use blocks up fast, to meet the others at the file.
            numbers.reserve()
    results.put(given)


def test_processes_never_give_the_same_number(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[int]] = context.Queue()
    workers = [context.Process(target=_take, args=(path, 500, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    given = [number for _ in workers for number in results.get(timeout=30)]
    for worker in workers:
        worker.join()
    assert len(given) == len(set(given)) == 1_500
    assert all(given)


def test_threads_never_get_the_same_number(
    path: Path, clock: FakeClock, hasty_threads: None
) -> None:
    numbers = LeadNumbers(path, clock)
    given: list[list[int]] = [[], [], []]
    threads = [
        Thread(target=lambda mine=mine: mine.extend(numbers.next() for _ in range(1_000)))
        for mine in given
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({number for mine in given for number in mine}) == 3_000


def test_a_disk_that_hangs_at_the_start_holds_nobody_up(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir(parents=True)
    with path.with_name("numbers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        numbers = LeadNumbers(path, clock, wait_seconds=0.05)
        assert numbers.next() == 0, "numbered when it is absorbed"
        fcntl.flock(lock, fcntl.LOCK_UN)
    until(lambda: numbers.next() == clock.now_ms)


def test_numbers_below_what_the_file_was_raised_to_are_never_given(
    path: Path, clock: FakeClock
) -> None:
    least = clock.now_ms + 7 * BLOCK_NUMBERS
    assert first_free_number(path) == 0
    raise_first_free(path, least)
    assert first_free_number(path) == least
    assert LeadNumbers(path, clock).next() == least


def test_the_file_is_never_lowered(path: Path, clock: FakeClock) -> None:
    LeadNumbers(path, clock).next()
    before = path.read_bytes()
    raise_first_free(path, clock.now_ms - 5)
    assert path.read_bytes() == before
