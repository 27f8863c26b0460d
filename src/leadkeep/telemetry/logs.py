"""One way to log: structured lines on stderr, without personal data.

Readable on a terminal, one JSON object a line otherwise. Control characters that came from outside
are made visible, so that a hostile path cannot forge a line or move the cursor. A full or hung disk
under the log stops nobody.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from leadkeep.telemetry.sink import Forgiving, LineFile, LineThread

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def _visible(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Escape control characters in every text value."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "timestamp"):
            event[key] = value.translate(_CONTROL)
    return event


def configure_logs(
    *, level: str, form: str, process: str, stream: TextIO | None = None, stays: bool = False
) -> None:
    """Set up logging for this process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `auto`, `text` or `json`; `auto` is text on a terminal and JSON otherwise.
        process: which process speaks (`intake`, `worker`, …).
        stream: where to; stderr if not given.
        stays: for a process that never configures again: its loggers are made once, for speed, and
            lines are written by a thread of their own.
    """
    stream = stream or sys.stderr
    as_text = form == "text" or (form == "auto" and stream.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if as_text
        else structlog.processors.JSONRenderer()
    )

    def excuse(lost: int) -> str:
        event = {"event": "log lines were lost", "level": "warning", "lines": lost}
        return cast(str, renderer(None, "warning", {**event, "process": process})) + "\n"

    forgiving = Forgiving(stream, excuse)
    sink: LineFile = LineThread(forgiving) if stays else forgiving
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _visible,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, sink)),
        cache_logger_on_first_use=stays,
    )
    structlog.contextvars.bind_contextvars(process=process)
    # What libraries say through the standard library comes out too, from warnings on.
    logging.basicConfig(
        stream=cast(TextIO, sink), level=logging.WARNING, format="%(levelname)s %(message)s"
    )
