"""A folder in memory: a simulation is about time and order, and commits hundreds of thousands."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="leadkeep-", dir=MEMORY if MEMORY.is_dir() else None))
    yield made
    shutil.rmtree(made)
