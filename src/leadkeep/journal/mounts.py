"""Which file system a folder lies on, by the kernel's table of mounts (proc(5), mountinfo)."""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def file_system_of(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the file system of a folder, or of its nearest parent that exists: `ext4`.

    Empty where it cannot be told: without /proc, or where devices have several numbers (btrfs).
    """
    try:
        device = _existing(folder.absolute()).stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        for line in mounts.read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split(" ")[2] == number:
                return after.split(" ")[0]
    except (OSError, IndexError):
        pass
    return ""


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
