"""Which system calls commit a group: one where the file system is known to honour it, else two."""

import subprocess
import sys
from pathlib import Path

import pytest

from leadkeep.journal.mounts import file_system_of
from leadkeep.journal.syscalls import SyncedWrites, Syscalls, syscalls_for

MOUNTS = """\
22 1 254:0 / / rw,relatime - {type} /dev/vda rw
23 22 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw
"""
COMMITS = """
import sys
from pathlib import Path
from leadkeep.journal.syscalls import SyncedWrites, Syscalls
calls = {"one": SyncedWrites, "two": Syscalls}[sys.argv[1]]()
with Path(sys.argv[2]).open("wb") as file:
    assert calls.commit_group(file.fileno(), (b"head", b"payload"), 4096) == 11
assert Path(sys.argv[2]).read_bytes()[4096:] == b"headpayload"
"""


@pytest.mark.parametrize(
    ("file_system", "calls"),
    [("ext4", SyncedWrites), ("xfs", SyncedWrites), ("fuse.sshfs", Syscalls), ("9p", Syscalls)],
)
def test_a_commit_is_one_call_only_on_file_systems_known_to_honour_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str, calls: type[Syscalls]
) -> None:
    def of(folder: Path) -> str:
        return file_system

    monkeypatch.setattr("leadkeep.journal.syscalls.file_system_of", of)
    assert type(syscalls_for(tmp_path)) is calls


def test_the_file_system_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    found = file_system_of(tmp_path / "not" / "there")
    assert found == file_system_of(tmp_path)
    assert found == _stat(tmp_path)
    assert file_system_of(Path("/proc")) == "proc"


@pytest.mark.parametrize("content", ["", "nonsense\n", MOUNTS.format(type="ext4")])
def test_a_table_of_mounts_that_does_not_tell_names_no_file_system(
    tmp_path: Path, content: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(content)
    assert file_system_of(Path("/proc"), mounts) == ""
    assert file_system_of(Path("/proc"), tmp_path / "missing") == ""


@pytest.mark.parametrize("how", ["one", "two"])
def test_a_commit_has_reached_the_disk_when_it_returns(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", COMMITS, how, str(tmp_path / "group")]
    traced = subprocess.run(
        ["strace", "-f", "-e", "trace=pwritev,pwritev2,fdatasync", *command],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "src")},
    ).stderr
    calls = [line for line in traced.splitlines() if "4096" in line or "fdatasync(" in line]
    if how == "one":
        (call,) = calls
        assert call.startswith("pwritev2(")
        assert "RWF_DSYNC" in call
    else:
        assert [call.partition("(")[0] for call in calls] == ["pwritev2", "fdatasync"]
        assert "RWF_DSYNC" not in calls[0]


def _stat(folder: Path) -> str:
    """The type as the system's own command names it."""
    said = subprocess.run(
        ["findmnt", "-n", "-o", "FSTYPE", "-T", folder], check=True, capture_output=True, text=True
    )
    return said.stdout.strip()
