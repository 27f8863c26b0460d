"""`--from`: which database it means, and what of it is ever shown."""

from pathlib import Path

import pytest

from leadkeep.errors import UsageError
from leadkeep.recovery.importing.address import parse_address


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hush@db.example/app?sslmode=require&password=hush",
        "postgres://db.example:5432/app",
        "postgresql+asyncpg://bob@DB.example/app?connect_timeout=3",
    ],
)
def test_one_database_is_called_the_same_however_its_url_is_written(url: str) -> None:
    address = parse_address(url, {})
    assert address.engine == "postgresql"
    assert address.shown == "postgresql://db.example:5432/app"


def test_a_server_has_host_port_user_and_password() -> None:
    address = parse_address("mariadb://a%40b:p%2Fw@[::1]:3307/app%20db?ssl_ca=/ca.pem", {})
    assert address.engine == "mysql"
    assert (address.host, address.port) == ("::1", 3307)
    assert (address.user, address.password) == ("a@b", "p/w")
    assert address.database == "app db"
    assert address.shown == "mysql://[::1]:3307/app db"
    assert address.options == {"ssl_ca": "/ca.pem"}


@pytest.mark.parametrize(
    "url",
    ["postgresql:///app?host=/run/pg&port=5433", "postgresql://me@/app?host=%2Frun%2Fpg&port=5433"],
)
def test_a_socket_is_on_this_machine(url: str) -> None:
    assert parse_address(url, {}).shown == "postgresql://localhost:5433/app"


def test_a_file_is_called_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "old queue.db"
    file.touch()
    monkeypatch.chdir(tmp_path)
    expected = f"sqlite:///{file}"
    for url in (
        "sqlite:///old%20queue.db",
        f"sqlite:///{file}",  # four slashes: absolute
        f"sqlite://{file}",  # three: meant to be absolute, and nothing relative is there
    ):
        assert parse_address(url, {}).shown == expected


def test_a_variable_may_hold_the_url() -> None:
    address = parse_address("env:OLD", {"OLD": "mysql://a:hush@db/app"})
    assert address.password == "hush"
    assert not address.has_open_password


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("mysql://a:hush@db/app", True),
        ("postgresql://db/app?user=a&password=hush", True),
        ("mysql://a@db/app", False),
        ("sqlite:///x.db", False),
    ],
)
def test_a_password_that_others_can_see_is_noticed(url: str, exposed: bool) -> None:
    assert parse_address(url, {}).has_open_password is exposed


@pytest.mark.parametrize(
    "given",
    [
        "oracle://a:hush@db/app",
        "mysql://a:hush@db",
        "mysql://a:hush@db:port/app",
        "mysql://a:hush@[db/app",
        "hush",
        "",
        "sqlite:///",
        "env:NOT_SET",
    ],
)
def test_what_names_no_database_is_refused_and_nothing_secret_repeated(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(given, {})
    assert "hush" not in str(caught.value) + caught.value.hint
    assert "postgresql://" in caught.value.hint
