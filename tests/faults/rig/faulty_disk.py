"""A file system on a block device that can lose power, fail, be slow and lie.

The device is `disk_server` behind a loop device. Needs root, /dev/fuse and a free loop device.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SERVER = Path(__file__).with_name("disk_server.py")
_BLOCK = 4096
_DEADLINE_SECONDS = 20.0


class FaultyDisk:
    """One device with an ext4 on it, mounted at `mounted` while it has power.

    Args:
        folder: for the mount points; made here.
        size: of the device, in bytes.
    """

    def __init__(self, folder: Path, size: int = 384 * 1024**2) -> None:
        self.mounted = folder / "mounted"
        self._device_folder = folder / "device"
        for made in (self.mounted, self._device_folder):
            made.mkdir(parents=True)
        control = folder / "control"
        self._loop = ""
        self._orders = socket.socket(socket.AF_UNIX)
        self._server = subprocess.Popen(
            [sys.executable, SERVER, self._device_folder, str(size), control],
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_for(self._file)
            self._orders.connect(str(control))
            self._attach()
            quick = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
            self._run("mkfs.ext4", "-q", f"-b{_BLOCK}", "-m0", "-Jsize=4", f"-E{quick}", self._loop)
            self._run("mount", self._loop, self.mounted)
        except BaseException:
            self.close()
            raise

    @property
    def _file(self) -> Path:
        return self._device_folder / "disk"

    # ------------------------------------------------------------ what goes wrong

    def lose_power(self) -> None:
        """Nothing more reaches the device; whoever tries gets an I/O error."""
        self._order("die")

    def power_on(self, seed: int | None) -> None:
        """Take the dead file system away, and mount what the device has kept.

        Nobody may have a file of it open any more.

        Args:
            seed: picks which of the sectors that were not flushed are there; None: none of them.
        """
        self._detach()
        self._order("revive", seed=seed)
        self.mount()

    def fail(self, *, writes: int = 0, flushes: int = 0) -> None:
        """Answer the next so many writes and flushes with an I/O error."""
        self._order("set", failing_writes=writes, failing_flushes=flushes)

    def spare_the_journal(self) -> None:
        """Let no write into the file system's own journal fail, which would end all writing."""
        told = self._run("debugfs", "-R", "blocks <8>", self._loop)
        blocks = [int(block) for block in told.split()]
        self._order("set", spared=[min(blocks) * _BLOCK, (max(blocks) + 1) * _BLOCK])

    def failed(self) -> int:
        """How many were answered so since the beginning."""
        counts = self._order("counts")
        assert isinstance(counts, dict)
        return int(counts["failed"])

    def be_slow(self, seconds: float) -> None:
        """Let each flush take so long."""
        self._order("set", flush_seconds=seconds)

    def freeze(self) -> None:
        """Let every write to its file system hang, until `thaw`."""
        self._run("fsfreeze", "--freeze", self.mounted)

    def thaw(self) -> None:
        """Let them go on."""
        self._run("fsfreeze", "--unfreeze", self.mounted)

    def make_read_only(self) -> bool:
        """Mount it read-only; False: somebody has a file of it open for writing."""
        command = ["mount", "-o", "remount,ro", str(self.mounted)]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    def find_errors(self) -> None:
        """Its file system finds itself broken and allows no more writes, as most are set up to."""
        self._run("mount", "-o", "remount,errors=remount-ro", self.mounted)
        trigger = Path("/sys/fs/ext4") / Path(self._loop).name / "trigger_fs_error"
        trigger.write_text("the rig wants it so")

    def repair(self) -> None:
        """Take it away as soon as nobody has a file of it open, and mount it repaired."""
        self._detach()
        self._attach()
        self._run("fsck.ext4", "-fy", self._loop, accepted=(0, 1))
        self._run("mount", self._loop, self.mounted)

    def make_writable(self) -> None:
        """Mount it as before."""
        self._run("mount", "-o", "remount,rw", self.mounted)

    def lie(self, does: bool = True) -> None:
        """Say that flushes are done, and do nothing."""
        self._order("set", lies=does)

    # ------------------------------------------------------------ crash images

    def record(self) -> None:
        """Begin to note every write and flush."""
        self._run("sync")
        self._order("record")

    def boundaries(self) -> int:
        """How many flushes were recorded."""
        return int(str(self._order("boundaries")))

    def become(self, boundary: int, seed: int) -> None:
        """Be what a cut after that recorded flush leaves of the device; mounted afterwards."""
        self._detach()
        self._order("become", boundary=boundary, seed=seed)
        self.mount()

    # ------------------------------------------------------------ mounting

    def mount(self) -> None:
        """Attach the device and mount its file system, which repairs itself as it does."""
        self._attach()
        self._run("mount", self._loop, self.mounted)

    def unmount(self) -> None:
        """In good order."""
        self._detach()

    def close(self) -> None:
        """Take everything away, whatever state it is in."""
        self._orders.close()
        with contextlib.suppress(subprocess.CalledProcessError):
            self._detach()
        subprocess.run(["umount", "-l", self.mounted], capture_output=True, check=False)
        subprocess.run(["umount", "-l", self._device_folder], capture_output=True, check=False)
        try:
            self._server.wait(timeout=_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _attach(self) -> None:
        self._loop = self._run("losetup", "--find", "--show", self._file)

    def _detach(self) -> None:
        if self._loop:
            give_up_at = time.monotonic() + _DEADLINE_SECONDS
            while subprocess.run(["umount", self.mounted], capture_output=True, check=False).stderr:
                # A process that was killed lets go of its files only when it is gone.
                if not self.mounted.is_mount():
                    break
                if time.monotonic() > give_up_at:
                    raise RuntimeError(f"{self.mounted} is still in use")
                time.sleep(0.02)
            self._run("losetup", "--detach", self._loop)
            self._loop = ""

    def _order(self, verb: str, **details: object) -> object:
        self._orders.sendall(json.dumps({"do": verb, **details}).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._orders.recv(4096)
        return json.loads(answer)

    @staticmethod
    def _run(*command: str | Path, accepted: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in accepted:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def _wait_for(self, path: Path) -> None:
        give_up_at = time.monotonic() + _DEADLINE_SECONDS
        while not path.exists():
            if self._server.poll() is not None or time.monotonic() > give_up_at:
                raise RuntimeError("the device does not appear: is libfuse3 installed?")
            time.sleep(0.02)


@contextlib.contextmanager
def faulty_disk(folder: Path, size: int = 384 * 1024**2) -> Iterator[FaultyDisk]:
    """A disk for the time of a block; nothing of it remains mounted."""
    disk = FaultyDisk(folder, size)
    try:
        yield disk
    finally:
        disk.close()


def why_not_here() -> str:
    """Why such disks cannot be made on this machine; empty: they can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    missing = [name for name in ("losetup", "mkfs.ext4", "debugfs") if shutil.which(name) is None]
    return f"{', '.join(missing)} missing" if missing else ""
