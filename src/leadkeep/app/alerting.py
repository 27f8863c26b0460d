"""What tells people, made from the settings."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from leadkeep.clock import SystemClock
from leadkeep.errors import LeadkeepError
from leadkeep.settings.model import DestinationSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from leadkeep.alerts.last_resort import LastResort
    from leadkeep.alerts.letters import Writer
    from leadkeep.alerts.mail import MailServer
    from leadkeep.alerts.watch import AlertWatch
    from leadkeep.destinations.health import HealthCheck
    from leadkeep.store.base import Store

_HEARTBEAT_SECONDS = 10.0
_HOUR_MS = 3_600_000


def make_alert_watch(
    settings: Settings,
    store: Store,
    *,
    damaged: Callable[[], Mapping[str, object]],
    beside_door: bool,
    undurable: Callable[[], str] = str,
) -> AlertWatch:
    """What looks and tells.

    Args:
        damaged: segments that cannot be read, as the absorber beside it has met them.
        beside_door: the door of this installation runs on this machine, and must answer.
        undurable: how the database may lose what it took, as last seen; empty: it does not.
    """
    from leadkeep.alerts.incidents import Policy
    from leadkeep.alerts.lookout import Lookout
    from leadkeep.alerts.outbox import Outbox
    from leadkeep.alerts.signs import Limits
    from leadkeep.alerts.watch import AlertWatch
    from leadkeep.disks.survey import look

    chosen, clock = settings.alerts, SystemClock()
    door = settings.intake.admin_listen
    asked = door if beside_door and door is not None and door.port else None
    outbox = None
    if chosen.mail_to:
        outbox = Outbox(
            store,
            _mail_server(settings),
            _writer(settings),
            clock=clock,
            mails_per_hour=chosen.mails_per_hour,
        )
    return AlertWatch(
        store,
        Lookout(
            store,
            clock=clock,
            rooms=partial(look, settings),
            damaged=damaged,
            door=asked,
            node=socket.gethostname(),
            undurable=undurable,
        ),
        limits=Limits(
            late_ms=chosen.late_minutes * 60_000,
            down_ms=chosen.down_minutes * 60_000,
        ),
        policy=Policy(remind_ms=chosen.remind_hours * _HOUR_MS, tells=outbox is not None),
        outbox=outbox,
        last_resort=_last_resort(settings),
        heart=_heart(settings),
    )


async def tell_of_store(settings: Settings, error: LeadkeepError) -> None:
    """Tell people that the worker cannot use the store, and so stops. Never raises."""
    last_resort = _last_resort(settings)
    if last_resort is not None:
        await last_resort.trouble(error)


async def send_trial_mail(settings: Settings) -> None:
    """Send a mail that says that mails arrive.

    Raises:
        AlertsUndelivered: the mail server did not take it.
    """
    from leadkeep.alerts.letters import trial

    now_ms = SystemClock().now_us() // 1_000
    await _mail_server(settings).send([trial(_writer(settings), now_ms=now_ms)])


def _mail_server(settings: Settings) -> MailServer:
    from leadkeep.alerts.mail import MailServer

    return MailServer(settings.alerts)


def _writer(settings: Settings) -> Writer:
    from leadkeep.alerts.letters import Writer

    return Writer(
        installation=settings.alerts.name or socket.gethostname(),
        sender=settings.alerts.sender,
        recipients=settings.alerts.mail_to,
        command=partial(_command, settings),
    )


def _command(settings: Settings, *words: str) -> str:
    """A command to type in any folder."""
    where: list[str] = []
    if settings.config_file is not None:
        where += ["--config", str(settings.config_file)]
    if settings.config_file is None or settings.origins["data"].kind in {"flag", "environment"}:
        where += ["--data", str(settings.data.absolute())]
    # bin/leadkeep says by this variable how people called it.
    program = os.environ.get("_LEADKEEP_PROGRAM", "leadkeep")
    return shlex.join([program, *words, *where])


def _last_resort(settings: Settings) -> LastResort | None:
    from leadkeep.alerts.last_resort import LastResort

    if not settings.alerts.mail_to:
        return None
    return LastResort(
        settings.data / "store-trouble.json",
        _mail_server(settings),
        _writer(settings),
        now_ms=lambda: SystemClock().now_us() // 1_000,
        remind_ms=settings.alerts.remind_hours * _HOUR_MS,
    )


def _heart(settings: Settings) -> HealthCheck | None:
    from leadkeep.destinations.health import HealthCheck

    if settings.alerts.heartbeat_url is None:
        return None
    return HealthCheck(
        "alerts.heartbeat_url",
        settings.alerts.heartbeat_url,
        timeout_seconds=_HEARTBEAT_SECONDS,
        # Whoever writes it into the settings may as well mean a machine next door.
        settings=DestinationSettings(private_networks=True),
    )
