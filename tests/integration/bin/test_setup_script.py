"""bin/setup: silent when there is nothing to do, and clear when it cannot do its work."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("bash", "basename", "cat", "dirname", "flock", "ls", "readlink", "rm", "sed", "sha256sum")


def make_checkout(folder: Path) -> Path:
    """The scripts and locks in a folder of their own, without any packages to install."""
    made = folder / "a checkout"
    shutil.copytree(ROOT / "bin", made / "bin")
    shutil.copy(ROOT / "pyproject.toml", made)
    (made / "requirements").mkdir()
    for lock in ("run.txt", "dev.txt"):
        (made / "requirements" / lock).write_text("# nothing\n")
    return made


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose environment has been made; each test leaves it working."""
    made = make_checkout(tmp_path_factory.mktemp("ready"))
    first = run(made / "bin/setup")
    assert (first.returncode, first.stdout) == (0, f"{made}/.venv/bin/python\n"), first.stderr
    return made


def run(command: Path, *args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: text for name, text in os.environ.items() if name != "LEADKEEP_VENV"}
    environ = {**inherited, **variables}
    return subprocess.run(
        [command, *args], env=environ, capture_output=True, text=True, check=False, cwd="/"
    )


def test_a_second_run_does_nothing_and_says_nothing(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(checkout / "bin/setup")
    second = run(link)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == f"{checkout}/.venv/bin/python\n"


def test_it_installs_again_only_when_a_lock_has_changed(checkout: Path) -> None:
    with (checkout / "requirements/run.txt").open("a") as lock:
        lock.write("# still nothing\n")
    assert "installing requirements/run.txt" in run(checkout / "bin/setup").stderr
    assert run(checkout / "bin/setup").stderr == ""


def test_a_command_runs_in_it_from_any_folder(checkout: Path) -> None:
    package = checkout / "src/leadkeep"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(
        "import importlib.metadata, os, sys\n"
        "print(sys.argv[1:], os.getcwd(), importlib.metadata.version('leadkeep') != '')\n"
    )
    ran = run(checkout / "bin/serve", "--data", "a b")
    assert ran.stdout == "['serve', '--data', 'a b'] / True\n", ran.stderr


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    assert "making" in run(checkout / "bin/setup").stderr
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    refused = run(checkout / "bin/setup", LEADKEEP_VENV=str(precious))
    assert (refused.returncode, "in the way" in refused.stderr) == (1, True)
    assert [entry.name for entry in precious.iterdir()] == ["file"]


def test_without_a_usable_python_it_names_the_command_that_mends_it(tmp_path: Path) -> None:
    checkout, tools = make_checkout(tmp_path), tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    script = (checkout / "bin/setup").read_text()
    # Whatever Python this machine has is out of sight.
    (checkout / "bin/setup").write_text(script.replace("/usr/bin/python3 python3", "python3"))
    refused = run(checkout / "bin/setup", PATH=str(tools))
    assert refused.returncode == 1
    assert "apt-get install python3 python3-venv" in refused.stderr
