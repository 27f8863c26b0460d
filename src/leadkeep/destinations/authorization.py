"""The `Authorization` header that a destination's `auth` settings mean."""

import re
from base64 import b64encode

from leadkeep.errors import SettingsError
from leadkeep.settings.model import AuthSettings

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def authorization_line(name: str, auth: AuthSettings) -> bytes:
    """The line with its end; empty if there are no credentials.

    Args:
        name: the destination's name, for errors.
        auth: its settings.

    Raises:
        SettingsError: they cannot be put into a header.
    """
    if auth.basic:
        if ":" not in auth.basic:
            raise SettingsError(f"destinations.{name}.auth.basic must be user:password")
        value = "Basic " + b64encode(auth.basic.encode()).decode()
    elif auth.bearer:
        value = f"Bearer {auth.bearer}"
    else:
        return b""
    if _CONTROL.search(value):
        raise SettingsError(f"destinations.{name}.auth contains control characters")
    return f"Authorization: {value}\r\n".encode()
