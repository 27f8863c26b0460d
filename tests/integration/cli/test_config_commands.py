"""`check`, `config`, `migrate`, and what goes wrong before a command runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.installation import Installation
from tests.store.builders import a_lead

WRONG = """\
[intake]
max_body_bytes = "a lot"
[destinations.brain]
urll = "http://127.0.0.1:8000/"
"""


def test_check_accepts_the_defaults(installation: Installation) -> None:
    assert installation.ok("check").startswith("The configuration is right.\n")
    assert installation.json("check")["valid"] is True


def test_check_names_every_wrong_key_its_value_and_what_is_allowed(
    installation: Installation,
) -> None:
    (installation.folder / "leadkeep.toml").write_text(WRONG)
    result = installation.run("check")
    assert result.exit_code == 1
    assert 'intake.max_body_bytes = "a lot"' in result.stderr
    assert "must be" in result.stderr
    assert "urll" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('[sources.a]\npaths = ["/a"]\n[sources.a.reply]\nbody = "{{nonsense}}"', "nonsense"),
        ('[destinations.b]\nurl = "http://127.0.0.1/"\nheaders = { "X Y" = "1" }', "headers"),
        (
            '[destinations.b]\nurl = "http://127.0.0.1/"\nsuccess_when = "success &&"',
            "destinations.b.success_when = `success &&`: it ends too early",
        ),
        (
            '[destinations.b]\nurl = "http://127.0.0.1/"\nsuccess_text = "(OK"',
            "destinations.b.success_text = `(OK` is not a regular expression",
        ),
    ],
)
def test_check_also_finds_what_only_the_door_or_a_destination_can_judge(
    installation: Installation, toml: str, named: str
) -> None:
    (installation.folder / "leadkeep.toml").write_text(toml)
    result = installation.run("check")
    assert result.exit_code == 1
    assert named in result.stderr


def test_a_command_with_a_wrong_configuration_ends_with_2_and_changes_nothing(
    installation: Installation,
) -> None:
    (installation.folder / "leadkeep.toml").write_text(WRONG)
    for command in (["serve"], ["status"], ["leads", "list"], ["push", "-"]):
        result = installation.run(*command)
        assert result.exit_code == 2, result.output
        assert "intake.max_body_bytes" in result.stderr
        assert "hint: " in result.stderr
    assert not installation.data.exists()


def test_a_wrong_configuration_does_not_hide_the_help(installation: Installation) -> None:
    (installation.folder / "leadkeep.toml").write_text(WRONG)
    for command in ([], ["serve"], ["leads", "list"], ["journal", "list"]):
        assert "Usage: " in installation.ok(*command, "--help")
    assert "# Settings" in installation.ok("config", "reference")
    assert "#[intake]" in installation.ok("config", "example")


def test_config_show_tells_where_each_value_comes_from(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installation.folder / "leadkeep.toml").write_text('log_level = "error"\n')
    monkeypatch.setenv("LEADKEEP_WORKER__DEFAULT_REGION", "GB")
    shown = installation.json("config", "show")
    assert shown["log_level"]["value"] == '"error"'
    assert shown["log_level"]["origin"].startswith("file")
    assert shown["worker.default_region"]["origin"].startswith("environment")
    assert shown["data"]["origin"] == "flag --data"
    assert shown["intake.listen"]["origin"] == "default"


def test_options_stand_before_or_after_the_command_and_the_later_wins(
    installation: Installation,
) -> None:
    installation.run("--log-level", "error", "config", "show")
    shown = installation.json("config", "show", "--log-level", "error")
    assert shown["log_level"]["value"] == '"error"'
    other = installation.folder / "other"
    shown = installation.json("config", "show", "--data", other)
    assert str(other) in shown["data"]["value"]


def test_listen_may_be_given_several_times(installation: Installation) -> None:
    shown = installation.json(
        "config", "show", "--listen", "127.0.0.1:8081", "--listen", "127.0.0.1:8082"
    )
    assert "8081" in shown["intake.listen"]["value"]
    assert "8082" in shown["intake.listen"]["value"]


def test_migrate_says_what_it_applies_and_then_that_nothing_is_left(
    installation: Installation,
) -> None:
    would = installation.json("migrate", "--dry-run")
    assert would["migrations"]
    assert not installation.data.exists()
    assert installation.json("migrate")["migrations"] == would["migrations"]
    assert installation.json("migrate", "--dry-run")["migrations"] == []
    assert "is up to date" in installation.ok("migrate")


def test_sql_reads_the_queue_as_documented(installation: Installation) -> None:
    installation.absorb(a_lead(), a_lead())
    rows = installation.json("sql", "SELECT * FROM lead_queue WHERE status = 'pending'")
    assert [row["lead_name"] for row in rows] == ["Ada Example"] * 2
    assert installation.ok("sql", stdin="SELECT status, COUNT(*) FROM lead_queue GROUP BY 1") == (
        "status\tCOUNT(*)\npending\t2\n"
    )


def test_sql_cannot_change_anything(installation: Installation) -> None:
    installation.absorb(a_lead())
    for statement in (
        "DELETE FROM leads",
        "UPDATE deliveries SET status = 'cancelled'",
        "PRAGMA user_version = 7",
        "SELECT 1; DROP TABLE leads",
        "",
    ):
        result = installation.run("sql", statement)
        assert result.exit_code == 2, statement
    assert installation.statuses() == ["pending"]


def test_sql_says_when_it_shows_only_a_part(installation: Installation) -> None:
    installation.absorb(*(a_lead() for _ in range(5)))
    result = installation.run("sql", "SELECT id FROM leads", "--limit", "2")
    assert len(result.stdout.splitlines()) == 3
    assert "Only the first 2 rows" in result.stderr


def test_a_destination_is_held_and_resumed(installation: Installation) -> None:
    to = ("--forward-to", "http://127.0.0.1:9/")
    installation.ok("hold", "default", "--reason", "upgrade", *to)
    (view,) = installation.in_store(lambda store: store.destinations())
    assert (view.name, view.held, view.hold_reason) == ("default", True, "upgrade")
    installation.ok("resume", "default", *to)
    assert not any(view.held for view in installation.in_store(lambda store: store.destinations()))


def test_an_unknown_destination_is_exit_code_5_with_the_known_names(
    installation: Installation,
) -> None:
    for verb in ("hold", "resume"):
        result = installation.run(verb, "brian", "--forward-to", "http://127.0.0.1:9/")
        assert result.exit_code == 5
        assert "Known are: default." in result.stderr


def test_a_fault_of_ours_is_told_without_a_traceback(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault\x1b[2J")

    monkeypatch.setattr("leadkeep.app.store.open_store", broken)
    installation.data.mkdir()
    (installation.data / "leadkeep.db").touch()
    result = installation.run("leads", "list")
    assert result.exit_code == 1
    assert "error: Leadkeep itself failed: RuntimeError: a fault\\x1b[2J" in result.stderr
    assert "Traceback" not in result.output


def test_an_unknown_command_is_a_usage_error(installation: Installation) -> None:
    assert installation.run("serv").exit_code == 2


def test_starting_a_command_does_not_load_the_door_or_the_client(tmp_path: Path) -> None:
    program = (
        "import sys; from leadkeep.cli import main\n"
        "main(['status', '--data', sys.argv[1]], standalone_mode=False)\n"
        "heavy = {'aiohttp', 'uvloop', 'httptools', 'phonenumbers'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
