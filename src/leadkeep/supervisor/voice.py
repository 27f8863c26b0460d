"""How the supervisor speaks: one line for each event on stderr, readable or as JSON.

The same form as the other processes' logs, made with the standard library alone. A stderr that is
gone or full never stops the supervisor.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

LOGGER = "leadkeep.supervisor"


class _Quiet(logging.StreamHandler[TextIO]):
    """Drops a line that cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's name
        pass


class _Form(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        level, event = record.levelname.lower(), record.getMessage()
        fields: dict[str, object] = getattr(record, "fields", {})
        if self._as_json:
            line = {"event": event, **fields, "process": "supervisor"}
            return json.dumps({**line, "level": level, "timestamp": moment}, ensure_ascii=True)
        told = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
        return f"{moment} [{level:<9}] {event}  {told}".rstrip()


def _word(value: object) -> str:
    """A value on one line; in quotes when it is more than a word."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text.isprintable() or " " in text else text


class Voice:
    """Says events.

    Args:
        level: `debug`, `info`, `warning` or `error`: what is below is not said.
        form: `auto` (text on a terminal, JSON otherwise), `text` or `json`.
        stream: where to; stderr if not given.
    """

    def __init__(self, *, level: str, form: str, stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        as_text = form == "text" or (form == "auto" and stream.isatty())
        handler = _Quiet(stream)
        handler.setFormatter(_Form(as_json=not as_text))
        self._logger = logging.getLogger(LOGGER)
        self._logger.handlers[:] = [handler]
        self._logger.propagate = False
        self._logger.setLevel(level.upper())

    def say(self, level: str, event: str, **fields: object) -> None:
        """Say one event.

        Args:
            level: as in the constructor.
            event: a short sentence fragment.
            fields: ids and figures; no personal data.
        """
        number = logging.getLevelNamesMapping()[level.upper()]
        self._logger.log(number, "%s", event, extra={"fields": fields})
