# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of one's own for a while: on a socket in a temporary folder, then gone."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

BINARIES = "/usr/lib/postgresql"  # Debian keeps them there, by version, and not on the path
USER = "nobody"  # PostgreSQL refuses to run as root; this one is on every machine


def find_binaries() -> Path | None:
    """Folder of `initdb` and `postgres`, the newest there is, or None."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path(BINARIES).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgresql_server(folder: Path | None = None) -> Iterator[str]:
    """Run a server, in `folder` or a new one, and yield what `psycopg.connect` wants."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("no initdb: install PostgreSQL")
    made = folder or Path(tempfile.mkdtemp(prefix="ledger-"))
    made.chmod(0o755)
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(made, USER)
        as_user = ["setpriv", f"--reuid={USER}", "--regid=65534", "--clear-groups"]
    data = made / "data"
    options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [*as_user, binaries / "initdb", "-D", data, *options],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=made,
    )
    settings = ["-c", "listen_addresses=", "-c", "max_connections=150", "-c", "fsync=off"]
    with (made / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_user, binaries / "postgres", "-D", data, "-k", made, *settings],
            stdout=log,
            stderr=log,
            cwd=made,
        )
    address = f"host={made} user=postgres dbname=postgres"
    try:
        _wait(address, server)
        yield address
    finally:
        server.send_signal(signal.SIGINT)  # asks nobody to leave first
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if folder is None:
            shutil.rmtree(made, ignore_errors=True)


def _wait(address: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise RuntimeError("the server ended at once")
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


def new_database(address: str, name: str) -> str:
    """Create a database on the server and return its SQLAlchemy URL."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    folder = address.split()[0].removeprefix("host=")
    return f"postgresql+psycopg://postgres@/{name}?host={folder}"
