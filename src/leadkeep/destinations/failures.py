"""What went wrong on the wire, as a class for machines and words for people.

The one boundary between aiohttp's and the system's errors and ours. The words name the destination
and never its url's query or user, nor anything of the lead or the reply.
"""

import os
import socket
import ssl
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
)
from aiohttp.http_exceptions import HttpProcessingError

from leadkeep.destinations.exchange import Exchange, SpokeFirst
from leadkeep.destinations.request import Unsendable

UNSENDABLE = "unsendable"
"""Class of a lead that was not sent because it cannot be."""


class Failure(NamedTuple):
    """Why a lead is not confirmed."""

    error_class: str
    words: str


def failure_of_status(name: str, status: int) -> Failure:
    """What a status other than 2xx means."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    words = f"{name} answered {status}{phrase}"
    if status in (301, 302, 303, 307, 308):
        words += (
            f": redirects are not followed; if it has moved, put its new address into "
            f"destinations.{name}.url"
        )
    return Failure(f"http_{status}", words)


def failure_of_error(
    name: str, error: Exception, seen: Exchange, *, timeout_seconds: float
) -> Failure:
    """What an exception during an exchange means.

    Args:
        name: the destination's name.
        error: what was raised.
        seen: how far the exchange had come.
        timeout_seconds: the deadline that a TimeoutError is about.
    """
    if isinstance(error, Unsendable):
        return Failure(UNSENDABLE, f"the lead cannot be sent to {name}: {error}")
    if isinstance(error, SpokeFirst):
        return Failure("malformed_reply", f"{name} sends something before it is asked")
    if not seen.connected:
        return _while_connecting(name, error, timeout_seconds)
    if seen.status is None:
        return _before_status(name, error, timeout_seconds)
    return _after_status(name, error, seen.status, timeout_seconds)


def _before_status(name: str, error: Exception, timeout_seconds: float) -> Failure:
    """Connected and perhaps sent, but no answer: it may or may not have the lead."""
    if isinstance(error, TimeoutError):
        return Failure("timeout", f"{name} did not answer within {timeout_seconds:g} s")
    if isinstance(error, HttpProcessingError):
        return Failure("malformed_reply", f"what {name} answered is not an HTTP reply")
    if isinstance(error, ClientError | OSError):
        return Failure("reset", f"{name} closed the connection without answering")
    return _our_own(name, error)


def _after_status(name: str, error: Exception, status: int, timeout_seconds: float) -> Failure:
    """A 2xx whose reply never came to its end: it may or may not have the lead."""
    if isinstance(error, TimeoutError):
        return Failure(
            "timeout",
            f"{name} answered {status}, but its reply did not end within {timeout_seconds:g} s",
        )
    if isinstance(error, ClientPayloadError | HttpProcessingError | OSError):
        return Failure(
            "malformed_reply", f"{name} answered {status}, but its reply was cut off or malformed"
        )
    return _our_own(name, error)


def _while_connecting(name: str, error: Exception, timeout_seconds: float) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure("timeout", f"{name} could not be connected to within {timeout_seconds:g} s")
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return Failure("tls", f"no TLS connection to {name}: {_tls_reason(error)}")
    if isinstance(error, ClientConnectorDNSError | UnicodeError):
        return Failure("dns", f"the host of {name} could not be found: {_dns_reason(error)}")
    if isinstance(error, ClientConnectorError):
        return Failure("connect", f"no connection to {name}: {_reason(error.os_error)}")
    if isinstance(error, ClientError | OSError):
        return Failure("connect", f"no connection to {name}: {type(error).__name__}")
    return _our_own(name, error)


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ClientConnectorCertificateError):
        refused = getattr(error.certificate_error, "verify_message", "") or "not trusted"
        return f"its certificate was refused: {refused}"
    cause = error.os_error if isinstance(error, ClientConnectorError) else error
    reason = getattr(cause, "reason", None) or "the handshake failed"
    return str(reason).replace("_", " ").lower()


def _dns_reason(error: ClientConnectorDNSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "no host can have this name"
    if isinstance(error.os_error, socket.gaierror):
        return str(error.os_error.strerror or "name not resolved").lower()
    return _reason(error.os_error)


def _reason(error: OSError) -> str:
    """The system's own words for an error number; texts of libraries may hold addresses."""
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"


def _our_own(name: str, error: Exception) -> Failure:
    return Failure(
        "internal", f"Leadkeep itself failed while delivering to {name} ({type(error).__name__})"
    )
