"""Settings of a source's proof: by what its vendor's requests are told from anybody else's."""

from dataclasses import dataclass, field

from leadkeep.settings.row import setting


@dataclass(frozen=True, kw_only=True)
class SignatureSettings:
    """A signature over the request, made with a shared secret or a private key."""

    algorithm: str = setting(
        "none",
        "How it is made; `none`: the vendor does not sign.",
        kind="choice",
        choices=("none", "hmac-sha256", "hmac-sha1", "hmac-sha512", "ed25519"),
    )
    header: str = setting(
        "", "Header in which it is sent.", kind="text", example='"X-Hub-Signature-256"'
    )
    form: str = setting(
        "plain",
        "How the header is written. `plain`: the signature behind `prefix`; `pairs`: "
        "`t=…,v1=…`; `versions`: `v1,… v1,…`.",
        kind="choice",
        choices=("plain", "pairs", "versions"),
    )
    prefix: str = setting("", "What stands before a plain signature.", kind="text")
    key: str = setting("v1", "Which of the pairs or versions is the signature.", kind="text")
    encoding: str = setting(
        "hex", "How its bytes are written.", kind="choice", choices=("hex", "base64")
    )
    signed: str = setting(
        "{body}",
        "What is signed: text with {body}, {timestamp}, {id}, {method}, {url}, {decoded_url} "
        "and {sorted_fields}.",
        kind="text",
        example='"{timestamp}.{body}"',
    )
    key_form: str = setting(
        "text",
        "How the secret becomes a key: its bytes as `text`, or decoded from `base64` (behind "
        "`whsec_` or `whpk_`, if it begins so) or `hex`.",
        kind="choice",
        choices=("text", "base64", "hex"),
    )
    timestamp_header: str = setting(
        "", "Header with the time of signing, where it is not one of the pairs.", kind="text"
    )
    timestamp_key: str = setting("t", "Which of the pairs is the time of signing.", kind="text")
    timestamp_field: str = setting("", "Field of the body with the time of signing.", kind="text")
    timestamp_unit: str = setting(
        "s",
        "What that time counts since 1970; `iso`: it is written as a date and time.",
        kind="choice",
        choices=("s", "ms", "iso"),
    )
    max_age_seconds: float = setting(
        0.0, "A signature older than this when received proves nothing. 0: any age.", kind="seconds"
    )
    max_ahead_seconds: float = setting(
        0.0, "The same for one that is ahead of our clock. 0: any.", kind="seconds"
    )
    id_header: str = setting("", "Header with the message's id.", kind="text")
    body_hash_parameter: str = setting(
        "",
        "Query parameter with the body's SHA-256 in hex; where it is given, it must fit.",
        kind="text",
    )


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """A secret word that the vendor sends along."""

    place: str = setting(
        "none",
        "Where it stands. `path`: the last part of the path; `bearer`: behind `Bearer` in "
        "Authorization; `field`: in the body, or else in the query.",
        kind="choice",
        choices=("none", "path", "query", "header", "bearer", "field"),
    )
    name: str = setting(
        "", "Name of the query parameter, header or field.", kind="text", example='"google_key"'
    )


@dataclass(frozen=True, kw_only=True)
class VerificationSettings:
    """How a request proves that it is the vendor's; every part that is configured must hold."""

    on_failure: str = setting(
        "hold",
        "`hold`: answered as any lead, kept, and held for a person; `reject`: answered 401 and "
        "kept and held as well.",
        kind="choice",
        choices=("hold", "reject"),
    )
    public_url: str = setting(
        "",
        "Scheme and host under which the vendor posts, where the signature covers the URL.",
        kind="text",
        example='"https://leads.example.com"',
    )
    basic: str = setting(
        "",
        "User and password of HTTP Basic, as `user:password`.",
        kind="secret",
        secret=True,
        example='{ env = "VENDOR_LOGIN" }',
    )
    addresses: tuple[str, ...] = setting(
        (),
        "Addresses or networks from which the vendor posts.",
        kind="networks",
        example='["54.241.34.25", "50.19.99.184"]',
    )
    signature: SignatureSettings = field(default_factory=SignatureSettings)
    token: TokenSettings = field(default_factory=TokenSettings)
