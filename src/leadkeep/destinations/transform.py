"""Rewrites a lead for a destination: another body, other headers, another method.

From a claim to the claim that is sent in its place; the stored lead is never touched. Whoever forms
and signs the request sees only the result, so a destination without transformation goes the exact
way of `request.py`. What cannot be rewritten is `Unsendable`, never half rewritten.
"""

import re

import msgspec

from leadkeep.clock import rfc3339
from leadkeep.destinations.base import Destination, Reachable, Reply
from leadkeep.destinations.failures import UNSENDABLE
from leadkeep.destinations.fields import JSON_TYPE, Unfit, rewritten
from leadkeep.destinations.request import Unsendable
from leadkeep.destinations.templates import Template, TemplateFailed
from leadkeep.errors import SettingsError
from leadkeep.models import Claim
from leadkeep.settings.model import DestinationSettings
from leadkeep.settings.transform import TransformSettings
from leadkeep.sources.body_headers import OF_A_BODY
from leadkeep.sources.payload import content_type_of
from leadkeep.sources.request_view import View

_RESERVED = re.compile(r"(?:leadkeep-.*|proxy-.*|idempotency-key|host)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Transform:
    """The transformation of one destination.

    Args:
        name: the destination's name, for errors.
        settings: its settings.

    Raises:
        SettingsError: a template is wrong, or a header cannot be set here.
    """

    def __init__(self, name: str, settings: DestinationSettings) -> None:
        chosen = settings.transform
        key = f"destinations.{name}.transform"
        self._chosen = chosen
        self._body = None if chosen.body is None else Template(f"{key}.body", chosen.body)
        if chosen.body is not None and (chosen.rename or chosen.format != "keep"):
            raise SettingsError(
                f"{key}.body: rename or format is set as well",
                hint="A template writes the whole body; leave the others out.",
            )
        configured = {header.lower() for header in settings.headers}
        for header in chosen.headers:
            if _RESERVED.fullmatch(header) or header.lower() in configured | {"content-type"}:
                raise SettingsError(
                    f"{key}.headers.{header} cannot be set here",
                    hint="Leadkeep sets it, or another setting does (headers, content_type).",
                )
        self._headers = [
            (header, Template(f"{key}.headers.{header}", text))
            for header, text in chosen.headers.items()
        ]
        self._replaced = frozenset(header.lower().encode() for header in chosen.headers)
        self._content_type = chosen.content_type.encode()
        self._method = "" if chosen.method == "keep" else chosen.method.upper()

    @classmethod
    def of(cls, name: str, settings: DestinationSettings) -> "Transform | None":
        """The transformation that the settings describe; None: there is none.

        Raises:
            SettingsError: it is wrong.
        """
        return None if settings.transform == TransformSettings() else cls(name, settings)

    def apply(self, claim: Claim) -> Claim:
        """The claim as it is sent.

        Raises:
            Unsendable: it cannot be rewritten.
        """
        view = View(
            source=claim.source,
            method=claim.method,
            target=claim.target,
            headers=claim.headers,
            body=claim.body,
        )
        lead = {
            "id": claim.lead_id,
            "number": str(claim.lead_number),
            "received_at": rfc3339(claim.received_at_ms * 1000),
            "key": claim.idempotency_key,
            "part": str(claim.part or ""),
        }
        try:
            body, content_type = self._rewritten(claim, view, lead)
            headers = [
                (name, self._value(template, view, lead)) for name, template in self._headers
            ]
        except (TemplateFailed, Unfit) as error:
            raise Unsendable(str(error)) from None
        return msgspec.structs.replace(
            claim,
            method=self._method or claim.method,
            headers=self._lines(claim, headers, content_type, rewritten=body is not claim.body),
            body=body,
        )

    def _rewritten(
        self, claim: Claim, view: View, lead: dict[str, str]
    ) -> tuple[bytes, bytes | None]:
        """The body and its content type (None: the sender's)."""
        if self._body is not None:
            try:
                text = self._body.render(view, lead)
                content_type = self._content_type or JSON_TYPE
                return _checked(text.encode(), content_type), content_type
            except (TemplateFailed, UnicodeEncodeError) as error:
                words = str(error) if isinstance(error, TemplateFailed) else "it is no UTF-8"
                raise TemplateFailed(f"the template of its body: {words}") from None
        if self._chosen.rename or self._chosen.format != "keep":
            body, found = rewritten(
                content_type_of(claim.headers),
                claim.target,
                claim.body,
                rename=self._chosen.rename,
                form=self._chosen.format,
            )
            return body, self._content_type or found
        return claim.body, self._content_type or None

    def _value(self, template: Template, view: View, lead: dict[str, str]) -> bytes:
        """A header's value."""
        try:
            text = template.render(view, lead).strip()
            if _CONTROL.search(text):
                raise TemplateFailed("its result has control characters")
            return text.encode()
        except (TemplateFailed, UnicodeEncodeError) as error:
            words = str(error) if isinstance(error, TemplateFailed) else "it is no UTF-8"
            raise TemplateFailed(f"the template of a header: {words}") from None

    def _lines(
        self,
        claim: Claim,
        headers: list[tuple[str, bytes]],
        content_type: bytes | None,
        *,
        rewritten: bool,
    ) -> bytes:
        dropped = set(self._replaced)
        if content_type is not None:
            dropped.add(b"content-type")
        if rewritten:
            # What is said of the old body is not true of the new one; its type may be.
            dropped |= OF_A_BODY - ({b"content-type"} if content_type is None else set())
        lines = [
            line
            for line in claim.headers.split(b"\r\n")
            if line and line.partition(b":")[0].strip().lower() not in dropped
        ]
        if content_type is not None:
            lines.append(b"Content-Type: " + content_type)
        lines += [name.encode() + b": " + value for name, value in headers if value]
        return b"".join(line + b"\r\n" for line in lines)


def _checked(body: bytes, content_type: bytes) -> bytes:
    """A body that says that it is JSON is JSON: a quote in a name would break it unseen."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == JSON_TYPE or kind.endswith(b"+json"):
        try:
            msgspec.json.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise TemplateFailed(
                "its result is no JSON; write texts with |tojson and without quotes around"
            ) from None
    return body


class Transformed:
    """A destination that gets each lead rewritten. See `destinations.base.Destination`.

    Args:
        destination: where the rewritten lead goes.
        transform: rewrites.
    """

    def __init__(self, destination: Destination, transform: Transform) -> None:
        self._destination = destination
        self._transform = transform

    @property
    def name(self) -> str:
        return self._destination.name

    async def attempt(self, claim: Claim) -> Reply:
        """Rewrite a lead and deliver it; never raises but CancelledError."""
        try:
            rewritten_claim = self._transform.apply(claim)
        except Unsendable as error:
            return Reply(
                confirmed=False,
                error_class=UNSENDABLE,
                error_message=f"the lead cannot be sent to {self.name}: {error}",
                unsendable=True,
            )
        return await self._destination.attempt(rewritten_claim)

    async def unreachable(self) -> str:
        """Why nobody listens there, in words; empty: somebody does, or it cannot be told."""
        inner = self._destination
        return await inner.unreachable() if isinstance(inner, Reachable) else ""

    async def close(self) -> None:
        """Let go of connections."""
        await self._destination.close()


def transformed(name: str, settings: DestinationSettings, destination: Destination) -> Destination:
    """The destination, with leads rewritten if the settings say so; else itself.

    Raises:
        SettingsError: the transformation is wrong.
    """
    transform = Transform.of(name, settings)
    return destination if transform is None else Transformed(destination, transform)
