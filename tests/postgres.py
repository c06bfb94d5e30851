"""A PostgreSQL server for tests and benchmarks: empty, on a free port of 127.0.0.1, gone afterwards."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
USER = "brevo"
STARTS_WITHIN = 30

# Where Debian has them: each version in a folder of its own, none on the path.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def server():
    """Run a server; give the URI of its database, and the id of its process."""
    if not PROGRAMS:
        raise RuntimeError("PostgreSQL is needed: apt-get install postgresql")
    # It refuses to run as root. Debian's package has made a user for it.
    owner = {} if os.geteuid() else {"user": "postgres", "group": "postgres", "extra_groups": []}
    password = secrets.token_hex()
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        for path in (folder, folder / "password") if owner else ():
            shutil.chown(path, "postgres", "postgres")
        how = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **owner}
        made = subprocess.run(
            [
                *(PROGRAMS[-1] / "initdb", folder / "data", f"--username={USER}", f"--pwfile={folder / 'password'}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            check=False,
            **how | {"stderr": subprocess.PIPE},
        )
        if made.returncode:
            raise RuntimeError(f"initdb fails: {made.stderr.decode(errors='replace')}")
        port = _free_port()
        # Without a socket in the file system, and without waiting for the disk.
        options = ("-D", folder / "data", "-h", HOST, "-p", str(port), "-k", "", "-F")
        process = subprocess.Popen([PROGRAMS[-1] / "postgres", *options], start_new_session=True, **how)
        try:
            _wait_for(port, process)
            yield f"postgresql://{USER}:{password}@{HOST}:{port}/postgres", process.pid
        finally:
            process.send_signal(signal.SIGINT)  # ends the connections too
            try:
                process.wait(STARTS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port():
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def _wait_for(port, process):
    ready = [PROGRAMS[-1] / "pg_isready", "--quiet", f"--host={HOST}", f"--port={port}"]
    until = time.monotonic() + STARTS_WITHIN
    while subprocess.run(ready, check=False).returncode:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("PostgreSQL does not start")
        time.sleep(0.05)
