"""The composition root: the only module that wires objects together.

Each function here is one thing that a process or a command does, from settings to result. Imports
are late, so that each process loads only what it runs: the supervisor no database, the door no
HTTP client.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from leadkeep.clock import SystemClock
from leadkeep.settings.model import Address, Settings

if TYPE_CHECKING:
    from leadkeep.absorber.absorber import Absorber
    from leadkeep.delivery.worker import DeliveryWorker
    from leadkeep.journal.numbers import LeadNumbers
    from leadkeep.store.base import Store
    from leadkeep.supervisor.handover import Handover

LOCK_WAIT_SECONDS = 30.0
