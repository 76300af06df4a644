"""The daemon's own directories, and the clearing away of those that dead daemons left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from .problems import FileProblem
from .stores import SessionFiles, admit_package_root

__all__ = ["Storage"]

GIBIBYTE: Final = 1 << 30
_LOCK: Final = "lock"


class Storage:
    """All files of one daemon, beneath `state_dir`; several daemons may share that.

    `state_dir/run/<instance>/` (0700) belongs to this daemon alone, as long as it holds the lock on the
    `lock` file in it: temporary files of its sessions, its HTTP cache. The kernel drops the lock with the
    process, however it ends, so the next daemon knows what is left over and deletes it.

    The constructor, `open_session` and `close` block on the disk. Raises `FileProblem` naming `--state-dir`
    where no private directory can be made.
    """

    def __init__(
        self, state_dir: Path, package_dirs: Sequence[Path] = (), temp_quota_bytes: int = 2 * GIBIBYTE
    ) -> None:
        self._package_dirs = tuple(package_dirs)
        self._quota = temp_quota_bytes
        self._lock = -1
        try:
            run = Path(os.path.realpath(state_dir)) / "run"
            run.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_private(run)
            with _alone(run):
                _clear_left_overs(run)
                self._home = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=run))
                self._lock = os.open(self._home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            self.cache_dir = self._home / "cache"
            self.cache_dir.mkdir(mode=0o700)
        except OSError as error:
            raise FileProblem(
                "forbidden", f"--state-dir {state_dir} can't be used: {error.strerror}"
            ) from error

    def open_session(self, package_root: str | None, names: Callable[[], str]) -> SessionFiles:
        """Make the files of a new session; `package_root` as the program asked for it.

        Raises `FileProblem` when no `--package-dir` admits it.
        """
        admitted = None if package_root is None else admit_package_root(package_root, self._package_dirs)
        temp_root = Path(tempfile.mkdtemp(prefix="session-", dir=self._home))
        try:
            return SessionFiles(temp_root, admitted, names, self._quota)
        except FileProblem:
            temp_root.rmdir()
            raise

    def close(self) -> None:
        """Delete everything of this daemon's run and let the lock go."""
        if self._lock < 0:
            return
        shutil.rmtree(self._home, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1


def _require_private(run: Path) -> None:
    """Make sure that nobody else can write where our files will be."""
    facts = run.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PermissionError(0, f"{run} must be a directory of this user")
    if stat.S_IMODE(facts.st_mode) != 0o700:
        run.chmod(0o700)


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Keep other daemons from starting in the same directory meanwhile.

    Otherwise one could take a directory that isn't locked yet for a left-over.
    """
    descriptor = os.open(run / ".starting", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear_left_overs(run: Path) -> None:
    """Delete the directories whose lock nobody holds."""
    for home in run.iterdir():
        if home.is_symlink() or not home.is_dir():
            continue
        try:
            descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            shutil.rmtree(home, ignore_errors=True)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)
        except BlockingIOError:
            pass  # its daemon lives
        finally:
            os.close(descriptor)
