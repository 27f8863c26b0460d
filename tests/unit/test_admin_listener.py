"""The admin listener answers metrics and details, and nothing else."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from leadkeep.telemetry.admin import AdminListener


@pytest.fixture
def address() -> Iterator[str]:
    sock = socket.create_server(("127.0.0.1", 0))
    with AdminListener(sock, lambda: {"door": "open", "connections": 3}):
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_details_are_json(address: str) -> None:
    with urllib.request.urlopen(f"{address}/details", timeout=5) as reply:
        assert json.load(reply) == {"door": "open", "connections": 3}


def test_metrics_are_in_prometheus_text_form(address: str) -> None:
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as reply:
        assert b"# TYPE python_info gauge" in reply.read()


def test_any_other_path_is_not_found_and_says_what_there_is(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/", timeout=5)
    with refused.value as reply:
        assert reply.code == 404
        assert b"/metrics" in reply.read()
