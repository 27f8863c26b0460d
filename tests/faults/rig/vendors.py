"""Vendors who post each lead exactly once, and keep their own record of the answers."""

import http.client
import threading
import time
from collections.abc import Iterator

from tests.faults.rig.leads import FILLING, payload
from tests.faults.rig.waiting import wait_until


class Vendor(threading.Thread):
    """Posts each lead exactly once and remembers which were answered 2xx.

    Args:
        port: the door's.
        numbers: of its leads; several vendors may share them.
        host: the door's.
        pause_seconds: between an answer and the next lead.
        timeout_seconds: for which it waits for an answer.
        filling: see `payload`.
    """

    def __init__(
        self,
        port: int,
        numbers: Iterator[int],
        *,
        host: str = "127.0.0.1",
        pause_seconds: float = 0.002,
        timeout_seconds: float = 10,
        filling: int = FILLING,
    ) -> None:
        super().__init__(daemon=True)
        self.answered: list[int] = []
        self.refused: list[int] = []
        """Those that were answered 503."""
        self.unanswered: list[int] = []
        self.posted = 0
        self._filling = filling
        self._host = host
        self._port = port
        self._numbers = numbers
        self._pause = pause_seconds
        self._timeout = timeout_seconds
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        """Post until stopped."""
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.is_set():
            number = next(self._numbers)
            self.posted += 1
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(
                        self._host, self._port, timeout=self._timeout
                    )
                connection.request("POST", "/hooks/lqf?sub=1", payload(number, self._filling))
                reply = connection.getresponse()
                reply.read()
                if 200 <= reply.status < 300:
                    self.answered.append(number)
                elif reply.status == 503 and reply.headers["Retry-After"]:
                    self.refused.append(number)
                else:
                    self.unanswered.append(number)
            except (OSError, http.client.HTTPException):
                self.unanswered.append(number)
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.01)
            time.sleep(self._pause)
        if connection is not None:
            connection.close()

    def stop(self) -> list[int]:
        """The numbers of all leads that were answered 2xx."""
        self._stopping.set()
        self.join()
        return self.answered


class Vendors:
    """Several of them at once, and what they remember together; see `Vendor`."""

    def __init__(
        self,
        count: int,
        port: int,
        numbers: Iterator[int],
        *,
        host: str = "127.0.0.1",
        pause_seconds: float = 0.002,
        timeout_seconds: float = 10,
        filling: int = FILLING,
    ) -> None:
        self._vendors = [
            Vendor(
                port,
                numbers,
                host=host,
                pause_seconds=pause_seconds,
                timeout_seconds=timeout_seconds,
                filling=filling,
            )
            for _ in range(count)
        ]

    @property
    def posted(self) -> int:
        """How many leads they have begun to post."""
        return sum(vendor.posted for vendor in self._vendors)

    @property
    def answered(self) -> list[int]:
        """The leads that were answered 2xx so far."""
        return [number for vendor in self._vendors for number in list(vendor.answered)]

    @property
    def refused(self) -> list[int]:
        """Those that were answered 503."""
        return [number for vendor in self._vendors for number in list(vendor.refused)]

    @property
    def unanswered(self) -> list[int]:
        """Those that were answered otherwise, or not at all."""
        return [number for vendor in self._vendors for number in list(vendor.unanswered)]

    def wait_for_answers(self, more: int = 20) -> None:
        """Until so many more leads were answered 2xx."""
        before = len(self.answered)
        wait_until("leads are taken", lambda: len(self.answered) >= before + more)

    def wait_for_refusals(self) -> None:
        """Until every lead is refused for a while."""

        def refused_only() -> bool:
            answered, refused = len(self.answered), len(self.refused)
            time.sleep(0.5)
            return len(self.answered) == answered and len(self.refused) > refused

        wait_until("every lead is refused", refused_only)

    def stop(self) -> list[int]:
        """Let them end; returns the leads that were answered 2xx."""
        return [number for vendor in self._vendors for number in vendor.stop()]
