"""The files of one session: what it may read, and the temporary files it makes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from .opened import OpenedFile, open_beneath, open_directory
from .problems import FileProblem, quoted

__all__ = ["Draft", "SessionFiles", "admit_package_root", "safe_suffix"]

SCHEME: Final = "bdfile://"

_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = re.compile(r"[A-Za-z0-9_-]{0,32}(\.[A-Za-z0-9]{1,16})?")
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_COPIED_AT_ONCE: Final = 1 << 20  # bytes


def safe_suffix(name: str) -> str:
    """Give the extension of a foreign file name, lower case with its dot, or "" where it is odd."""
    extension = os.path.splitext(name)[1].lower()
    return extension if re.fullmatch(r"\.[a-z0-9]{1,16}", extension) else ""


def admit_package_root(requested: str, allowed: Sequence[Path]) -> Path:
    """Give the real directory that a session may read its package from.

    It must be absolute, exist, and lie, links worked out, inside one of the `--package-dir`s; whether
    something exists outside of them isn't told. Raises `FileProblem`. Blocks on the disk.
    """
    if "\0" in requested or not requested.startswith("/"):
        raise FileProblem("forbidden", f"packageRoot {quoted(requested)} must be an absolute path")
    if len(requested) > 4096:
        raise FileProblem("too-long", "packageRoot is longer than 4096 characters")
    try:
        real = Path(os.path.realpath(requested))
    except (OSError, UnicodeError) as error:
        raise FileProblem("not-found", f"packageRoot {quoted(requested)} can't be followed") from error
    if not any(real.is_relative_to(os.path.realpath(each)) for each in allowed):
        raise FileProblem(
            "forbidden", f"packageRoot {quoted(requested)} lies in no --package-dir of this daemon"
        )
    if not real.is_dir():
        raise FileProblem(
            "not-found", f"packageRoot {quoted(requested)} is not a directory, see --package-dir"
        )
    return real


class Draft:
    """A temporary file being written; `commit` makes it visible, `discard` takes it back.

    `path` and `descriptor` (read and write) are for whoever fills it, `charge` tells of bytes before they
    are written so that the quota holds meanwhile. Also a context manager that discards what isn't committed.
    """

    def __init__(self, files: SessionFiles, name: str, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self._files = files
        self._name = name
        self._charged = 0

    def charge(self, length: int) -> None:
        """Count `length` more bytes against the quota; raises `FileProblem` "quota" and counts nothing."""
        self._files._charge(length)
        self._charged += length

    def write(self, data: bytes | memoryview) -> None:
        """Charge and append; short, but blocks on the disk: in a thread when there is much of it."""
        self.charge(len(data))
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise FileProblem("quota", "the disk of the temporary files is full") from error
            raise

    def commit(self) -> str:
        """Close the file and give its `bdfile://` path; over the quota the file goes and it raises."""
        if self.descriptor < 0:
            raise FileProblem("not-found", "the file was committed or discarded already")
        size = os.fstat(self.descriptor).st_size
        try:
            self.charge(size - self._charged)
            os.rename(self.path, self.path.with_name(self._name))
        except BaseException:
            self.discard()
            raise
        self._files._committed(self, self._name, size)
        self._close()
        return SCHEME + self._name

    def discard(self) -> None:
        """Delete what was written and give its share of the quota back; harmless after the end."""
        if self.descriptor < 0:
            return
        self.path.unlink(missing_ok=True)
        self._files._discarded(self, self._charged)
        self._close()

    def _close(self) -> None:
        os.close(self.descriptor)
        self.descriptor = -1

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class SessionFiles:
    """The files that the calls of one session may name.

    `temp_root` is this session's own directory, deleted by `close`. `package_root` is what
    `admit_package_root` gave, or None. `names` gives an unused id of 32 hex digits per call. `quota_bytes`
    bounds committed files and drafts together.

    `create`, `commit`, `remove`, `usage` are quick. `resolve` may wait for a slow disk, and `adopt` may copy
    across file systems, `close` deletes a tree: run these three in a thread. Calls of one object aren't
    locked against each other except as Python does it, so let one run at a time.
    """

    def __init__(
        self, temp_root: Path, package_root: Path | None, names: Callable[[], str], quota_bytes: int
    ) -> None:
        self.quota_bytes = quota_bytes
        self._names = names
        self._temp_path = temp_root
        self._used = 0
        self._sizes: dict[str, int] = {}
        self._drafts: set[Draft] = set()
        self._package: int | None = None
        self._temp: int | None = open_directory(temp_root)
        if package_root is not None:
            try:
                self._package = open_directory(package_root)
            except FileProblem:
                os.close(self._temp)
                raise

    def resolve(self, path: str) -> OpenedFile:
        """Open the file that a call names: a temporary file of this session, or one of its package.

        Raises `FileProblem`: "not-found" also for another session's files, "forbidden" for other schemes
        and for what leads out of the package, "not-a-file" for directories, devices, pipes and sockets,
        "too-long". The caller closes what it gets (facts 1.8).
        """
        temp = self._require_open()
        if path.startswith(SCHEME):
            name = path[len(SCHEME) :]
            if name not in self._sizes:
                raise FileProblem("not-found", f"there is no file {quoted(path)} in this session")
            return open_beneath(temp, name)
        if scheme := _OTHER_SCHEME.match(path):
            raise FileProblem(
                "forbidden", f"{quoted(scheme[0])} names no file: give a bdfile:// path or one of the package"
            )
        if not path:
            raise FileProblem("not-found", "the path is empty")
        if self._package is None:
            raise FileProblem(
                "not-found", f"{quoted(path)} is a package path, and session.open named no packageRoot"
            )
        return open_beneath(self._package, path)

    def create(self, suffix: str = "") -> Draft:
        """Begin a temporary file whose id will end in `suffix`, such as ".jpg" or "original.jpg"."""
        self._require_open()
        name = self._new_name(suffix)
        path = self._temp_path / f"{name}.part"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        draft = Draft(self, name, path, descriptor)
        self._drafts.add(draft)
        return draft

    def adopt(self, real_path: Path, suffix: str) -> str:
        """Move a finished file in and give its `bdfile://` path; links and non-files are refused.

        Over the quota it raises and the file stays where it was.
        """
        self._require_open()
        name = self._new_name(suffix)
        try:
            source = os.open(real_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FileProblem(
                "not-found", f"nothing to take over: {os.strerror(error.errno or 0)}"
            ) from error
        facts = os.fstat(source)
        if not stat.S_ISREG(facts.st_mode):
            os.close(source)
            raise FileProblem("not-a-file", "what should be taken over is not a regular file")
        with os.fdopen(source, "rb") as reader:
            self._charge(facts.st_size)
            target = self._temp_path / name
            try:
                os.rename(real_path, target)
            except OSError as error:
                self._used -= facts.st_size
                if error.errno != errno.EXDEV:
                    raise
                with self.create(suffix) as draft:
                    while block := reader.read(_COPIED_AT_ONCE):
                        draft.write(block)
                    path = draft.commit()
                real_path.unlink(missing_ok=True)
                return path
        self._sizes[name] = facts.st_size
        return SCHEME + name

    def remove(self, path: str) -> None:
        """Delete a temporary file; whoever has it open may go on reading."""
        self._require_open()
        size = self._sizes.pop(path.removeprefix(SCHEME), None) if path.startswith(SCHEME) else None
        if size is None:
            raise FileProblem("not-found", f"there is no file {quoted(path)} in this session")
        (self._temp_path / path.removeprefix(SCHEME)).unlink(missing_ok=True)
        self._used -= size

    def usage(self) -> int:
        """Give the bytes that count against the quota now."""
        return self._used

    def close(self) -> None:
        """Delete every temporary file and close what is open; later calls raise "not-found"."""
        if self._temp is None:
            return
        for draft in tuple(self._drafts):
            draft.discard()
        os.close(self._temp)
        self._temp = None
        if self._package is not None:
            os.close(self._package)
            self._package = None
        self._sizes.clear()
        self._used = 0
        shutil.rmtree(self._temp_path, ignore_errors=True)

    def _require_open(self) -> int:
        if self._temp is None:
            raise FileProblem("not-found", "the session has ended, and its files with it")
        return self._temp

    def _new_name(self, suffix: str) -> str:
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"{suffix!r} can't end the name of a temporary file")
        identifier = self._names()
        if not _ID.fullmatch(identifier):
            raise ValueError(f"{identifier!r} is not 32 hex digits")
        name = f"tmp_{identifier}{suffix}"
        if name in self._sizes:
            raise ValueError(f"{name} is taken already")
        return name

    def _charge(self, length: int) -> None:
        if self._used + length > self.quota_bytes and length > 0:
            raise FileProblem(
                "quota", f"the session's temporary files may take {self.quota_bytes} bytes in all"
            )
        self._used += length

    def _committed(self, draft: Draft, name: str, size: int) -> None:
        self._drafts.discard(draft)
        self._sizes[name] = size

    def _discarded(self, draft: Draft, charged: int) -> None:
        self._drafts.discard(draft)
        self._used -= charged
