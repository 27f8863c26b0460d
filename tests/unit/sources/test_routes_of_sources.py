"""Whose path it is, and where the lead goes."""

import pytest

from leadkeep.errors import SettingsError
from leadkeep.models import RecordFlag
from leadkeep.settings.model import DestinationSettings, Settings, SourceSettings
from leadkeep.sources.routes import Route, SourceTable
from leadkeep.states import Disposition

NO_FLAGS = RecordFlag.NONE


def a_table(*destinations: str, **sources: tuple[str, ...]) -> SourceTable:
    return SourceTable.of(
        Settings(
            sources={name: SourceSettings(paths=paths) for name, paths in sources.items()},
            destinations={name: DestinationSettings() for name in destinations},
        )
    )


def test_without_sources_every_path_belongs_to_default() -> None:
    table = a_table("crm")

    for path in (b"/", b"", b"/webhook.php", b"*", b"/\xff\x00", b"http://host/x", b"//"):
        assert table.match(path) == "default"
    assert table.destinations_of("default") == ("crm",)


def test_an_exact_path_comes_before_a_prefix_and_the_longest_prefix_first() -> None:
    table = a_table(
        exact=("/webhook/auto",), auto=("/webhook/auto*",), hooks=("/webhook/*",), rest=("*",)
    )

    assert table.match(b"/webhook/auto") == "exact"
    assert table.match(b"/webhook/auto-2") == "auto"
    assert table.match(b"/webhook/home") == "hooks"
    assert table.match(b"/webhook.php") == "rest"


@pytest.mark.parametrize(
    "path",
    [
        *(b"/webhook/auto", b"/webhook/auto/", b"/Webhook/AUTO", b"//webhook///auto//"),
        *(b"/webhook%2Fauto", b"/web%68ook/auto", b"/webhook/auto?a=1", b"/webhook/auto/?a=/x"),
        *(b"http://leads.example/webhook/auto", b"https://leads.example/webhook/auto?x=1"),
    ],
)
def test_a_typists_differences_mean_nothing(path: bytes) -> None:
    assert a_table(auto=("/webhook/auto",)).match(path) == "auto"


@pytest.mark.parametrize(
    "path", [b"/", b"/webhook", b"/webhook/auto2", b"/webhook/autos/x", b"webhook/auto", b"/%zz"]
)
def test_another_path_is_nobodys(path: bytes) -> None:
    assert a_table(auto=("/webhook/auto",)).match(path) is None


def test_a_prefix_below_a_folder_takes_the_folder_too() -> None:
    table = a_table(hooks=("/hooks/*",))

    assert table.match(b"/hooks") == "hooks"
    assert table.match(b"/hooks/") == "hooks"
    assert table.match(b"/HOOKS/a/b") == "hooks"
    assert table.match(b"/hooksy") is None


def test_spellings_that_two_sources_claim_are_told_apart() -> None:
    table = a_table(upper=("/Lead",), lower=("/lead",))

    assert table.match(b"/Lead") == "upper"
    assert table.match(b"/lead") == "lead" or table.match(b"/lead") == "lower"
    assert table.match(b"/LEAD") == "upper"


def test_one_path_cannot_belong_to_two() -> None:
    with pytest.raises(SettingsError, match=r"'b'.*'/lead'|'/lead'.*'b'|'a' and 'b'"):
        a_table(a=("/lead",), b=("/lead",))


def test_a_source_goes_where_it_says_or_everywhere() -> None:
    settings = Settings(
        sources={
            "named": SourceSettings(paths=("/a",), destinations=("crm", "crm")),
            "open": SourceSettings(paths=("/b",)),
        },
        destinations={"crm": DestinationSettings(), "dialer": DestinationSettings()},
    )
    table = SourceTable.of(settings)

    assert table.route("named", NO_FLAGS) == Route(Disposition.ROUTED, ("crm",), "")
    assert table.route("open", NO_FLAGS) == Route(Disposition.ROUTED, ("crm", "dialer"), "")
    assert table.destinations_of("nobody") == ()


def test_without_destinations_a_lead_is_unrouted_and_waits() -> None:
    assert a_table().route("default", NO_FLAGS) == Route(Disposition.UNROUTED, (), "")


@pytest.mark.parametrize(("source", "flags"), [("", NO_FLAGS), ("default", RecordFlag.NO_ROUTE)])
def test_what_nobody_claims_is_held_and_says_which_path(source: str, flags: RecordFlag) -> None:
    route = a_table("crm").route(source, flags, b"/nowhere\x1b[2J?phone=614")

    assert route.disposition is Disposition.QUARANTINED
    assert route.destinations == ()
    assert route.hold_reason == "no source claims the path /nowhere\ufffd[2J"


def test_a_source_that_was_removed_meanwhile_is_held() -> None:
    route = a_table("crm", kept=("/a",)).route("gone", NO_FLAGS, b"/b")

    assert route.disposition is Disposition.QUARANTINED
    assert "'gone'" in route.hold_reason
