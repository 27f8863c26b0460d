"""A url may name several servers; each is asked by itself."""

import pytest

from leadkeep.store.postgres.hosts import urls_of


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("postgresql://u:p@a:1/db", ["postgresql://u:p@a:1/db"]),
        ("postgresql://u@/db?host=/run/a", ["postgresql://u@/db?host=/run/a"]),
        (
            "postgresql://u:p@a:1,b:2/db?sslmode=require",
            [
                "postgresql://u:p@a:1/db?sslmode=require&target_session_attrs=read-write",
                "postgresql://u:p@b:2/db?sslmode=require&target_session_attrs=read-write",
            ],
        ),
        (
            "postgresql://u@a,b/db?target_session_attrs=primary",
            [
                "postgresql://u@a/db?target_session_attrs=primary",
                "postgresql://u@b/db?target_session_attrs=primary",
            ],
        ),
        (
            "postgresql://u@/db?host=/run/a,/run/b&port=5,6",
            [
                "postgresql://u@/db?host=/run/a&target_session_attrs=read-write&port=5",
                "postgresql://u@/db?host=/run/b&target_session_attrs=read-write&port=6",
            ],
        ),
    ],
)
def test_each_server_gets_a_url_of_its_own(url: str, urls: list[str]) -> None:
    assert urls_of(url) == urls
