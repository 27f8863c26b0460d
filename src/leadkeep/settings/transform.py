"""Settings of transformation: how a lead is rewritten for a destination that wants it otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class TransformSettings:
    """How a lead is rewritten on its way; nothing set: it is sent exactly as it came."""

    rename: Mapping[str, str] = setting(
        {}, "New names for fields of the body: old name to new name.", kind="renames"
    )
    format: str = setting(
        "keep",
        "Write the body's fields as JSON or as a form, whichever of both they came in.",
        kind="choice",
        choices=("keep", "json", "form"),
    )
    body: str | None = setting(
        None,
        "Template of the whole body, in place of `rename` and `format`. Not set: none.",
        kind="optional_text",
        example="""'{"phone": {{ payload.phone|tojson }}, "lead": "{{ lead.number }}"}'""",
    )
    headers: Mapping[str, str] = setting(
        {}, "Templates of further headers; one that comes out empty is left out.", kind="texts"
    )
    content_type: str = setting(
        "",
        "Content-Type of the rewritten body. Empty: as `format` says; of a template: "
        "application/json.",
        kind="text",
    )
    method: str = setting(
        "keep",
        "Send it with this method.",
        kind="choice",
        choices=("keep", "post", "put", "patch"),
    )
