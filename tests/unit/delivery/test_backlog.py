"""What is urgent goes first, and a question whose time is over is never put."""

import asyncio

from leadkeep.clock import SystemClock
from leadkeep.delivery.attempt import Attempter
from leadkeep.delivery.backlog import Backlog, Errand
from leadkeep.destinations.base import Reply
from leadkeep.models import Claim
from leadkeep.settings.model import RetrySettings
from leadkeep.walltime import WallTime


def a_claim(delivery_id: int) -> Claim:
    return Claim(delivery_id, 1, "crm", 1, None, "id", 1, "v", 0, "POST", b"/", b"", b"")


class Deaf:
    """A destination that answers when it may."""

    name = "crm"

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = 0

    async def attempt(self, claim: Claim) -> Reply:
        self.asked += 1
        await self.may_answer.wait()
        return Reply(confirmed=True, status=200, body=b"bid")

    async def close(self) -> None:
        return


def attempter(destination: Deaf) -> Attempter:
    clock = SystemClock()
    return Attempter(destination, RetrySettings(), clock=clock, wall=WallTime(clock))


def errand(seconds: float) -> Errand:
    loop = asyncio.get_running_loop()
    return Errand(a_claim(0), loop.time() + seconds, loop.create_future(), asyncio.Event())


async def test_what_is_put_first_is_taken_first_and_the_rest_keeps_its_order() -> None:
    backlog = Backlog()
    for number in (1, 2):
        backlog.put_nowait(a_claim(number))
    backlog.put_first(a_claim(3))
    backlog.put_first(a_claim(4))
    backlog.put_nowait(a_claim(5))
    taken = [backlog.get_nowait() for _ in range(backlog.qsize())]
    assert [one.delivery_id for one in taken if isinstance(one, Claim)] == [4, 3, 1, 2, 5]


async def test_who_waits_for_something_to_do_gets_what_is_urgent() -> None:
    backlog = Backlog()
    getting = asyncio.create_task(backlog.get())
    await asyncio.sleep(0)
    backlog.put_first(a_claim(1))
    assert await getting == a_claim(1)


async def test_an_errand_ends_at_its_deadline_and_its_carrier_goes_on() -> None:
    destination, one = Deaf(), errand(0.01)
    await one.run(attempter(destination))
    assert (await one.reply).error_class == "timeout"
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_an_errand_that_is_answered_in_time_has_the_reply() -> None:
    destination, one = Deaf(), errand(20)
    destination.may_answer.set()
    await one.run(attempter(destination))
    assert (await one.reply).body == b"bid"


async def test_an_errand_that_nobody_waits_for_is_not_put_to_anybody() -> None:
    destination, one = Deaf(), errand(20)
    one.refuse()
    await one.run(attempter(destination))
    assert destination.asked == 0


async def test_an_errand_whose_carrier_is_stopped_says_so() -> None:
    destination, one = Deaf(), errand(20)
    running = asyncio.create_task(one.run(attempter(destination)))
    await one.begun.wait()
    await asyncio.sleep(0)
    running.cancel()
    assert (await one.reply).error_class == "interrupted"
    await asyncio.wait([running])
