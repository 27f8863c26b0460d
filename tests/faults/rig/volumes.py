"""Small real file systems, made for one round and gone after it: to be filled, frozen, cut off.

Whatever happens, a volume is thawed and unmounted; its loop device frees itself with the last use.
"""

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHUTDOWN = 0x8004587D
"""FS_IOC_SHUTDOWN (linux/fs.h): the file system takes no more writes, as if the power were cut."""
_NOLOGFLUSH = 2
_FILLER = "filler"


class Volume:
    """A mounted file system, and the other programs that fill it."""

    def __init__(self, path: Path, image: Path | None) -> None:
        self.path = path
        self._image = image

    @property
    def free(self) -> int:
        """Bytes that may be written to it."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, but: int = 0) -> None:
        """Take all room but so many bytes, as another program would."""
        with (self.path / _FILLER).open("ab") as file:
            for step in (1024**2, 64 * 1024, 4096):
                while self.free - step >= but:
                    try:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, step)
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        break

    def make_room(self) -> None:
        """Give back what `fill` took."""
        (self.path / _FILLER).unlink(missing_ok=True)
        os.sync()

    def freeze(self) -> None:
        """Let every write to it hang, until `thaw`."""
        subprocess.run(["fsfreeze", "--freeze", self.path], check=True)

    def thaw(self) -> None:
        """Let them go on; nothing happens if it is not frozen."""
        subprocess.run(["fsfreeze", "--unfreeze", self.path], check=False, capture_output=True)

    def cut_power(self) -> None:
        """What was not synced is lost, and every call fails from now on."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(fd)

    def boot(self) -> None:
        """Mount it anew, as at a boot. Nobody may have a file of it open."""
        subprocess.run(["umount", self.path], check=True)
        assert self._image is not None, "only what has an image can be mounted anew"
        _mount(["-o", "loop", self._image, self.path])

    def unmount(self) -> None:
        """Whatever its state; a process that hangs on it does not keep it."""
        self.thaw()
        if subprocess.run(["umount", self.path], check=False, capture_output=True).returncode:
            subprocess.run(["umount", "--lazy", self.path], check=False, capture_output=True)


def why_not_here() -> str:
    """Why such volumes cannot be made on this machine; empty: they can."""
    return "" if os.geteuid() == 0 else "mounting a small disk needs root"


@contextmanager
def ext4(folder: Path, name: str, mib: int) -> Iterator[Volume]:
    """An ext4 in an image, of so many MiB."""
    image = folder / f"{name}.image"
    with image.open("wb") as file:
        file.truncate(mib * 1024**2)
    # -m 0: root too finds it full when it is full. Four megabytes of log are the least.
    command: list[str | Path] = ["mkfs.ext4", "-q", "-m", "0", "-J", "size=4", image]
    subprocess.run(command, check=True, capture_output=True)
    with _mounted(folder / name, ["-o", "loop", image], image) as volume:
        yield volume
    with contextlib.suppress(OSError):
        image.unlink()


@contextmanager
def tmpfs(folder: Path, name: str, mib: int) -> Iterator[Volume]:
    """A file system in memory, of so many MiB."""
    with _mounted(folder / name, ["-t", "tmpfs", "-o", f"size={mib}m", "leadkeep-test"]) as volume:
        yield volume


@contextmanager
def _mounted(path: Path, words: list[str | Path], image: Path | None = None) -> Iterator[Volume]:
    path.mkdir()
    _mount([*words, path])
    volume = Volume(path, image)
    try:
        yield volume
    finally:
        volume.unmount()


def _mount(words: list[str | Path]) -> None:
    done = subprocess.run(["mount", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a small disk cannot be mounted: {done.stderr.strip()}")
