"""Settings come from file, environment and flags, and every mistake is told at once."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from leadkeep.errors import SettingsError
from leadkeep.settings.describe import shown
from leadkeep.settings.load import load
from leadkeep.settings.model import Address, Origin, Settings

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load with a file's text, variables and flags."""

    def load_them(
        text: str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Mapping[str, object] | None = None,
    ) -> Settings:
        if text is not None:
            (tmp_path / "leadkeep.toml").write_text(text)
        return load(config=None, environ=environ or {}, flags=flags or {}, cwd=tmp_path)

    return load_them


def mistakes(loaded: Load, *given: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(*given)
    return str(caught.value).splitlines()


def test_with_nothing_at_all_everything_has_its_default(loaded: Load, tmp_path: Path) -> None:
    settings = loaded()
    assert settings.data == tmp_path / "data"
    assert settings.intake.listen == (Address("127.0.0.1", 8080),)
    assert list(settings.sources) == ["default"]
    assert settings.sources["default"].paths == ("*",)
    assert settings.destinations == {}
    assert set(settings.origins.values()) == {Origin("default", "")}


def test_the_environment_overrides_the_file_and_a_flag_overrides_both(loaded: Load) -> None:
    text = 'log_level = "debug"\n[intake]\nmax_connections = 5\nmax_body_bytes = "1 MiB"\n'
    environ = {"LEADKEEP_INTAKE__MAX_CONNECTIONS": "6", "LEADKEEP_LOG_LEVEL": "error"}
    settings = loaded(text, environ, {"log_level": "warning", "data": None, "intake.listen": ()})
    assert settings.intake.max_body_bytes == 1024**2
    assert settings.intake.max_connections == 6
    assert settings.log_level == "warning"
    origins = {key: str(settings.origins[key]).split()[0] for key in settings.origins}
    assert origins["intake.max_body_bytes"] == "file"
    assert origins["intake.max_connections"] == "environment"
    assert settings.origins["log_level"] == Origin("flag", "--log-level")
    assert origins["data"] == "default"


def test_every_mistake_is_told_at_once_with_key_value_and_what_is_allowed(loaded: Load) -> None:
    told = mistakes(
        loaded,
        'dta = "x"\n[intake]\nmax_body_bytes = "10 lightyears"\nlisten = "8080"\n'
        "[sources.lqf]\npath = 1\n",
        {"LEADKEEP_INTAKE_LISTEN": "a:1", "LEADKEEP_LOG_LEVEL": "loud"},
        {"forward_to": "ftp://x"},
    )
    together = "\n".join(told)
    assert len(told) == 7
    assert "dta" in told[0] and "Did you mean data?" in told[0]
    assert "Did you mean sources.lqf.paths?" in together
    assert "Did you mean LEADKEEP_INTAKE__LISTEN?" in together
    assert 'intake.max_body_bytes = "10 lightyears" (file ' in together
    assert 'must be a size such as "10 MiB", 1 KiB to 256 MiB' in together
    assert 'log_level = "loud" (environment LEADKEEP_LOG_LEVEL): must be one of debug' in together
    assert 'forward_to = "ftp://x" (flag --forward-to): must be an http or https URL' in together


def test_forward_to_makes_a_destination_and_takes_every_path(loaded: Load) -> None:
    settings = loaded(flags={"forward_to": "http://127.0.0.1:8000/webhook.php"})
    assert settings.destinations["default"].url == "http://127.0.0.1:8000/webhook.php"
    assert settings.sources["default"].paths == ("*",)
    assert str(settings.origins["destinations.default.url"]) == "flag --forward-to"


def test_forward_to_leaves_the_other_options_of_default_and_named_sources(loaded: Load) -> None:
    text = '[destinations.default]\ntimeout_seconds = 5\n[sources.lqf]\npaths = ["/lqf"]\n'
    settings = loaded(text, flags={"forward_to": "http://x/"})
    assert settings.destinations["default"].timeout_seconds == 5
    assert list(settings.sources) == ["lqf"]


def test_a_variable_lets_forward_to_reach_a_private_network(loaded: Load) -> None:
    environ = {
        "LEADKEEP_FORWARD_TO": "http://crm.internal:8000/",
        "LEADKEEP_DESTINATIONS__DEFAULT__PRIVATE_NETWORKS": "10.0.0.0/8, fd00::/8",
    }
    default = loaded("", environ).destinations["default"]
    assert default.url == "http://crm.internal:8000/"
    assert default.private_networks == ("10.0.0.0/8", "fd00::/8")


def test_forward_to_beside_a_url_of_default_is_a_mistake(loaded: Load) -> None:
    text = '[destinations.default]\nurl = "http://a/"\n'
    (told,) = mistakes(loaded, text, {}, {"forward_to": "http://b/"})
    assert told.startswith("destinations.default.url (file ")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            '[journal]\nsegment_bytes = "10 MiB"\n',
            "journal.segment_bytes = 10 MiB: must be at least",
        ),
        (
            '[intake]\nmax_header_bytes = "1 MiB"\nmax_body_bytes = "31 MiB"\n',
            "journal.segment_bytes = 32 MiB: must be at least",
        ),
        ('[intake]\ntls_key = "k"\n', "intake.tls_certificate: missing; intake.tls_key needs it"),
        ('[intake]\ntls_certificate = "k"\n', "intake.tls_key: missing"),
        (
            '[intake]\ntls_certificate = "c"\ntls_key = "k"\n',
            "cannot be read: No such file or directory",
        ),
        ('[sources.a]\ndestinations = ["b"]\n', "there is no destination `b` (there are: none)"),
        (
            '[sources.a]\npaths = ["/x"]\n[sources.b]\npaths = ["/x/"]\n',
            "sources.b.paths: /x/ is already claimed by sources.a.paths",
        ),
        ("[destinations.a]\nconcurrency = 2\n", "destinations.a.url: missing"),
        ('[worker]\nadmin_listen = "127.0.0.1:9180"\n', "intake.admin_listen has the same address"),
        ('[intake]\nadmin_listen = "127.0.0.1:8080"\n', "intake.listen has the same address"),
        ('[journal]\nfolders = ["a", "./a"]\n', "names the same folder twice"),
        (
            '[destinations.a]\nurl = "http://x/"\n[destinations.a.retry]\nfirst_seconds = "1h"\n',
            "must not be longer than longest_seconds",
        ),
        (
            '[destinations.a]\nurl = "http://x/"\n[destinations.a.retry]\nkind = "list"\n',
            'retry.waits_seconds: missing; kind = "list" needs it',
        ),
        (
            '[destinations.a]\nurl = "http://x/"\n[destinations.a.retry]\nwaits_seconds = [5]\n',
            'retry.kind: must be "list"',
        ),
        (
            '[destinations.a]\nurl = "http://x/"\nsuccess_statuses = [200, "404-410"]\n'
            '[destinations.a.retry]\nterminal = ["409-499"]\n',
            "retry.terminal: 409-499 is among destinations.a.success_statuses as well",
        ),
        (
            '[destinations.a]\nurl = "http://x/"\nsuccess_text = "OK"\nreply_max_bytes = 0\n',
            "reply_max_bytes = 0 B: must be more, or success_text has nothing to judge by",
        ),
        (
            '[destinations.a]\nurl = "http://x/"\n[destinations.a.retry]\nterminal = ["tsl"]\n',
            "Did you mean tls?",
        ),
        (
            '[destinations.a]\nurl = "http://x/"\n'
            "[destinations.a.breaker]\nprobe_first_seconds = 20\nprobe_longest_seconds = 10\n",
            "must not be longer than probe_longest_seconds",
        ),
        ("intake = 5\n", "intake (file"),
        ("[sources.Big]\n", "a name must be lower-case letters"),
        ("= 1\n", "is not valid TOML"),
    ],
)
def test_contradictions_are_mistakes(loaded: Load, text: str, part: str) -> None:
    assert any(part in line for line in mistakes(loaded, text))


def test_what_depends_on_a_wrong_value_is_not_blamed_as_well(loaded: Load) -> None:
    text = '[intake]\nmax_body_bytes = "200 MiB"\n[journal]\nsegment_bytes = "huge"\n'
    (told,) = mistakes(loaded, text)
    assert told.startswith('journal.segment_bytes = "huge"')


def test_relative_paths_belong_to_the_files_folder_or_to_the_current_one(tmp_path: Path) -> None:
    config, here = tmp_path / "etc" / "lk.toml", tmp_path / "here"
    config.parent.mkdir()
    config.write_text('[journal]\nfolders = ["j", "/abs"]\n')
    settings = load(config=config, environ={"LEADKEEP_STORE__PATH": "s.db"}, flags={}, cwd=here)
    assert settings.journal.folders == (tmp_path / "etc/j", Path("/abs"))
    assert settings.store.path == here / "s.db"
    assert settings.data == tmp_path / "etc/data"


def test_a_named_file_must_exist_and_one_in_the_variable_too(loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read: No such file"):
        load(config=Path("nowhere.toml"), environ={}, flags={}, cwd=tmp_path)
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        loaded(environ={"LEADKEEP_CONFIG": "nowhere.toml"})


def test_a_file_that_is_not_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "leadkeep.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(config=None, environ={}, flags={}, cwd=tmp_path)


def test_a_secret_may_stand_in_a_variable_or_a_file_and_is_never_shown(
    loaded: Load, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from-file-s3cret\n")
    text = (
        '[destinations.crm]\nurl = "http://x/"\n'
        'headers = { A = { env = "LEADKEEP_TOKEN" }, B = { file = "token" }, C = "plain-s3cret" }\n'
    )
    settings = loaded(text, {"LEADKEEP_TOKEN": "from-env-s3cret"})
    assert settings.destinations["crm"].headers == {
        "A": "from-env-s3cret",
        "B": "from-file-s3cret",
        "C": "plain-s3cret",
    }
    assert "s3cret" not in "".join(row.value for row in shown(settings))


def test_a_secret_that_cannot_be_fetched_or_is_wrong_is_told_without_it(loaded: Load) -> None:
    text = '[destinations.crm]\nurl = "http://x/"\nheaders = { A = { env = "CRM_TOKEN" } }\n'
    (told,) = mistakes(loaded, text, {})
    assert "the environment variable CRM_TOKEN is not set" in told
    (told,) = mistakes(loaded, text, {"CRM_TOKEN": "s3cret\r\nX: y"})
    assert "s3cret" not in told
    assert told.startswith("destinations.crm.headers = ***")


def test_a_password_in_a_url_is_refused_without_repeating_it(loaded: Load) -> None:
    (told,) = mistakes(loaded, None, {}, {"forward_to": "http://me:s3cret@x/"})
    assert "s3cret" not in told


def test_an_underscore_in_a_variable_finds_a_name_with_a_hyphen(loaded: Load) -> None:
    text = '[destinations.my-crm]\nurl = "http://x/"\n'
    settings = loaded(text, {"LEADKEEP_DESTINATIONS__MY_CRM__CONCURRENCY": "3"})
    assert settings.destinations["my-crm"].concurrency == 3
    assert list(settings.destinations) == ["my-crm"]


def test_a_destination_can_be_made_of_variables_alone(loaded: Load) -> None:
    settings = loaded(None, {"LEADKEEP_DESTINATIONS__CRM__URL": "http://x/"})
    assert settings.destinations["crm"].url == "http://x/"


def test_the_supervisors_copy_is_read_in_place_of_the_file(loaded: Load, tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text('log_level = "error"\n[store]\npath = "s.db"\n')
    (tmp_path / "leadkeep.toml").write_text("being edited [")
    settings = loaded(None, {"LEADKEEP_CONFIG_COPY": str(copy)})
    assert (settings.log_level, settings.store.path) == ("error", tmp_path / "s.db")
    assert settings.config_file == tmp_path / "leadkeep.toml"
    assert loaded(None, {"LEADKEEP_CONFIG_COPY": "none"}).config_file is None


def test_values_are_shown_with_their_origin_in_the_order_of_the_table(loaded: Load) -> None:
    settings = loaded('[destinations.crm]\nurl = "http://x/"\n', {"LEADKEEP_DATA": "/d"})
    lines = {row.key: (row.value, row.origin.kind) for row in shown(settings)}
    assert lines["data"] == ('"/d"', "environment")
    assert lines["destinations.crm.url"] == ('"http://x/"', "file")
    assert lines["intake.max_body_bytes"] == ('"10 MiB"', "default")
    assert lines["intake.tls_key"] == ("", "default")
    first, *_, last = lines
    assert first == "data"
    assert last.startswith("destinations.crm.")


def test_whose_names_a_follow_up_means_must_be_a_source(loaded: Load) -> None:
    text = '[sources.calls]\npaths = ["/c"]\ndepends_on = "id"\ndepends_on_source = "nobody"\n'
    assert any(
        "sources.calls.depends_on_source: there is no source `nobody`" in line
        for line in mistakes(loaded, text)
    )
    alone = '[sources.calls]\npaths = ["/c"]\ndepends_on_source = "calls"\n'
    assert any("means nothing without" in line for line in mistakes(loaded, alone))


def test_a_lead_may_wait_for_others_from_a_second_to_a_day(loaded: Load) -> None:
    text = '[sources.calls]\npaths = ["/c"]\norder_by = "phone"\norder_wait_seconds = "{}"\n'
    assert loaded(text.format("2m")).sources["calls"].order_wait_seconds == 120
    assert mistakes(loaded, text.format("2d"))
    assert mistakes(loaded, text.format("0.5s"))
