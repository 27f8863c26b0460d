"""Why a captured request does not verify: the first small change with which it would.

For a person who sets a source up. Every guess is one way in which it has gone wrong for others: a
proxy that rewrote the body, a secret copied with a space, the wrong scheme in the URL.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from leadkeep.errors import SettingsError
from leadkeep.settings.source import SourceSettings
from leadkeep.settings.verification import VerificationSettings
from leadkeep.sources.verification.evidence import Evidence
from leadkeep.sources.verification.verifier import Verifier

_Bodies = Iterator[tuple[str, bytes]]


class Guess(NamedTuple):
    """Something that would make it fit."""

    what: str
    mend: str


def explain(name: str, settings: SourceSettings, request: "Captured") -> Guess | None:
    """What would make a request's proof fit; None: nothing that is known.

    Args:
        name: the source's.
        settings: with which it does not verify.
        request: as captured.
    """
    return next(
        (
            guess
            for guess, changed, seen in _attempts(settings, request)
            if _verifies(name, changed, seen)
        ),
        None,
    )


class Captured(NamedTuple):
    """A request as somebody wrote it down."""

    method: str
    target: bytes
    headers: bytes
    body: bytes
    received_at_us: int
    peer: str = ""

    def evidence(self) -> Evidence:
        """As the verifier looks at it."""
        return Evidence(
            method=self.method,
            target=self.target,
            headers=self.headers,
            body=self.body,
            received_at_us=self.received_at_us,
            peer=self.peer,
        )


_Attempt = tuple[Guess, SourceSettings, Captured]


def _verifies(name: str, settings: SourceSettings, request: Captured) -> bool:
    try:
        return not Verifier(name, settings).fault(request.evidence())
    except SettingsError:
        return False


def _attempts(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    for change in (_other_time, _other_secret, _other_body, _other_url, _other_writing):
        yield from change(settings, request)


def _with_signature(settings: SourceSettings, **changes: object) -> SourceSettings:
    signature = dataclasses.replace(settings.verify.signature, **changes)  # type: ignore[arg-type]
    return _with_verify(settings, signature=signature)


def _with_verify(settings: SourceSettings, **changes: object) -> SourceSettings:
    verify: VerificationSettings = dataclasses.replace(settings.verify, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(settings, verify=verify)


def _other_time(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    yield (
        Guess(
            "the signature is right, and too old or ahead of our clock",
            "Was the request captured long ago? Give the time at which it came. Otherwise set the "
            "clocks, or raise `verify.signature.max_age_seconds`.",
        ),
        _with_signature(settings, max_age_seconds=0.0, max_ahead_seconds=0.0),
        request,
    )


def _other_secret(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    changes: Sequence[tuple[str, Callable[[str], str]]] = (
        ("with quotes around it taken away", lambda secret: secret.strip("\"'")),
        ("with the spaces in it taken away", lambda secret: "".join(secret.split())),
        ("with `whsec_` before it taken away", lambda secret: secret.removeprefix("whsec_")),
        ("with `whsec_` put before it", lambda secret: f"whsec_{secret}"),
    )
    for what, change in changes:
        changed = tuple(map(change, settings.secrets))
        if changed != settings.secrets:
            yield (
                Guess(f"the signature fits the secret {what}", "Correct `secrets`."),
                dataclasses.replace(settings, secrets=changed),
                request,
            )
    for form in ("text", "base64", "hex"):
        if form != settings.verify.signature.key_form:
            yield (
                Guess(
                    f"the signature fits the secret read as {form}",
                    f'Set `verify.signature.key_form = "{form}"`.',
                ),
                _with_signature(settings, key_form=form),
                request,
            )


def _other_body(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    for what, body in _bodies(request.body):
        yield (
            Guess(
                f"the signature fits the body {what}",
                "Something between the vendor and Leadkeep, or the capture itself, has rewritten "
                "the body: let it pass on the bytes as they came.",
            ),
            settings,
            request._replace(body=body),
        )


def _bodies(body: bytes) -> _Bodies:
    yield "without the line end after it", body.rstrip(b"\r\n")
    yield "with a line end after it", body + b"\n"
    yield "with plain line ends", body.replace(b"\r\n", b"\n")
    yield "with network line ends", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "without a byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return
    for ascii_only in (True, False):
        which = "with" if ascii_only else "without"
        for spaces, separators in (("without", (",", ":")), ("with", (", ", ": "))):
            written = json.dumps(tree, ensure_ascii=ascii_only, separators=separators)
            yield (
                f"written anew as JSON, {spaces} spaces and {which} escaped letters",
                written.encode("utf-8", "surrogatepass"),
            )
            yield (
                f"written anew as JSON with escaped slashes, {spaces} spaces and {which} escaped "
                "letters",
                written.replace("/", "\\/").encode("utf-8", "surrogatepass"),
            )


def _other_url(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    url = settings.verify.public_url.rstrip("/")
    scheme, mark, host = url.partition("://")
    if not mark:
        return
    other = "http" if scheme == "https" else "https"
    bare = host.partition(":")[0]
    port = "443" if scheme == "https" else "80"
    for public_url in (f"{other}://{host}", f"{scheme}://{bare}", f"{scheme}://{bare}:{port}"):
        yield (
            Guess(
                f"the signature fits the URL {public_url}",
                f'Set `verify.public_url = "{public_url}"`.',
            ),
            _with_verify(settings, public_url=public_url),
            request,
        )
    path, query_mark, query = request.target.partition(b"?")
    turned = path.removesuffix(b"/") if path.endswith(b"/") else path + b"/"
    for what, target in (
        ("with the slash at its end turned", turned + query_mark + query),
        ("without its query", path),
    ):
        yield (
            Guess(
                f"the signature fits the path {what}",
                "Register exactly the URL that the vendor posts to, and let no proxy change it.",
            ),
            settings,
            request._replace(target=target),
        )


def _other_writing(settings: SourceSettings, request: Captured) -> Iterator[_Attempt]:
    now = settings.verify.signature
    for algorithm in ("hmac-sha256", "hmac-sha1", "hmac-sha512"):
        for encoding in ("hex", "base64"):
            if (algorithm, encoding) != (now.algorithm, now.encoding):
                yield (
                    Guess(
                        f"the signature fits as {algorithm} in {encoding}",
                        f'Set `verify.signature.algorithm = "{algorithm}"` and '
                        f'`encoding = "{encoding}"`.',
                    ),
                    _with_signature(settings, algorithm=algorithm, encoding=encoding),
                    request,
                )
    for signed in ("{body}", "{timestamp}.{body}", "{id}.{timestamp}.{body}"):
        if signed != now.signed:
            yield (
                Guess(
                    f"the signature covers {signed}",
                    f'Set `verify.signature.signed = "{signed}"`.',
                ),
                _with_signature(settings, signed=signed),
                request,
            )
