"""A control group with a limit on memory, as containers and systemd's MemoryMax set it.

Both of the kernel's interfaces are known: version 2 where it has the memory controller, version 1
where that one has it. What a process had taken before it came into the group does not count.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_DEADLINE_SECONDS = 10.0
_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


def why_not_here() -> str:
    """Why memory cannot be limited on this machine; empty: it can."""
    if os.geteuid() != 0:
        return "control groups need root"
    return "" if _hierarchy() else "no control groups with the memory controller are mounted"


@contextlib.contextmanager
def memory_limited(pid: int, limit_bytes: int) -> Iterator[Path]:
    """Let the kernel kill a process that takes more; afterwards it is where it was.

    Args:
        pid: the process, with all its threads.
        limit_bytes: what it may take from now on, pages of files that it writes included.

    Returns:
        The group's folder.
    """
    found = _hierarchy()
    assert found is not None, why_not_here()
    root, limit_name = found
    former = _former_group(pid, root)
    group = root / f"leadkeep-{pid}-{time.monotonic_ns()}"
    group.mkdir()
    try:
        (group / limit_name).write_text(str(limit_bytes))
        (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        with contextlib.suppress(ProcessLookupError):
            (former / "cgroup.procs").write_text(str(pid))
        _remove(group)


def _hierarchy() -> tuple[Path, str] | None:
    """Where groups are made, and the name of the limit's file."""
    controllers = _V2 / "cgroup.subtree_control"
    if controllers.exists() and "memory" in controllers.read_text().split():
        return _V2, "memory.max"
    if (_V1 / "memory.limit_in_bytes").exists():
        return _V1, "memory.limit_in_bytes"
    return None


def _former_group(pid: int, root: Path) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" if root == _V2 else "memory" in controllers.split(","):
            return root / path.lstrip("/")
    return root


def _remove(group: Path) -> None:
    """A group is busy until the last process in it is really gone."""
    give_up_at = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return
