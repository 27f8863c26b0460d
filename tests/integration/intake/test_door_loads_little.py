"""The door takes leads with what it needs for that, whatever the configuration asks of others."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

CONFIG = """
[destinations.crm]
url = "http://127.0.0.1:9/"
[destinations.crm.transform]
body = "{{ payload.a }}"
[sources.auto]
paths = ["/auto"]
[[sources.auto.routes]]
when = "payload.a"
to = ["crm"]
"""

DOOR = """
    import http.client, os, signal, socket, sys, threading, time
    from pathlib import Path
    from leadkeep.app import load_settings, run_intake

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = {"intake.listen": f"127.0.0.1:{port}", "intake.admin_listen": "off"}
    settings = load_settings(Path("leadkeep.toml"), flags)

    def post_and_stop():
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                door = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                door.request("POST", "/auto", b'{"a": 1}')
                print("answered", door.getresponse().status, file=sys.stderr)
                break
            except OSError:
                time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=post_and_stop).start()
    run_intake(settings, None)
    print(" ".join(sorted({"jmespath", "jinja2", "apsw", "aiohttp"} & set(sys.modules))))
"""


def test_the_door_loads_neither_conditions_nor_templates(tmp_path: Path) -> None:
    (tmp_path / "leadkeep.toml").write_text(CONFIG)
    door = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DOOR)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "answered 200" in door.stderr
    assert door.stdout.strip() == ""
