"""What a deployment runs: `restart.py FOLDER OLD NEW PORT` ends one application and starts another.

The old one is dead for a while, as it is when a machine is slow.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

folder, old, new, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
pid_file = folder / f"{old}.pid"
pid = int(pid_file.read_text())
os.kill(pid, signal.SIGTERM)
command_line = Path(f"/proc/{pid}/cmdline")
while command_line.exists() and command_line.read_bytes():  # empty: dead, and not waited for
    time.sleep(0.01)
pid_file.unlink()
time.sleep(0.3)
app = Path(__file__).with_name("little_app.py")
subprocess.Popen(
    [sys.executable, str(app), str(folder), new, port],
    start_new_session=True,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
sys.stdout.write(f"{new} is started\n")
