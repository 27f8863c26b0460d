"""Beginning what a hung disk may never let end, without waiting for it for ever."""

import threading
from collections.abc import Callable


def begun(call: Callable[[], object], name: str, wait_seconds: float) -> bool:
    """Run `call` in a thread of its own; True if it has ended within `wait_seconds`.

    If not, it goes on, and does not keep the process from ending.

    Args:
        call: must not raise.
    """
    thread = threading.Thread(target=call, name=name, daemon=True)
    thread.start()
    thread.join(wait_seconds)
    return not thread.is_alive()
