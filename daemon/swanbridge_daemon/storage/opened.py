"""Opening a file beneath a directory without being led out of it.

The walk goes component by component from a directory descriptor and follows no link, so nothing that
changes on the disk meanwhile can lead it elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Final, Self

from .problems import FileProblem, quoted

__all__ = ["OpenedFile", "open_beneath", "open_directory", "reopen"]

LONGEST_PATH: Final = 4096  # bytes; the kernel's own bound

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class OpenedFile:
    """A regular file, open for reading; whoever holds it closes it.

    `descriptor` is O_RDONLY and an open file description of its own; `size` is in bytes; `identity` is equal
    exactly for the same unchanged bytes; `name` is for people; `extension` is lower case with its dot, or "".
    """

    descriptor: int
    size: int
    identity: str
    name: str
    extension: str

    def close(self) -> None:
        """Close the descriptor, once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def release(self) -> int:
        """Give the descriptor away: the caller closes it from now on."""
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_directory(path: str | os.PathLike[str]) -> int:
    """Open a directory as the root of later walks; the path must be real: absolute, without any link.

    Raises `FileProblem` when it isn't, or was swapped for something else since it was checked.
    """
    try:
        descriptor = os.open(path, _LOOK | os.O_DIRECTORY)
    except OSError as error:
        raise FileProblem(
            "not-found", f"the directory can't be opened: {os.strerror(error.errno or 0)}"
        ) from error
    if os.readlink(f"/proc/self/fd/{descriptor}") != os.fspath(path):
        os.close(descriptor)
        raise FileProblem("forbidden", "the directory is reached through a link")
    return descriptor


def reopen(descriptor: int, flags: int = os.O_RDONLY) -> int:
    """Give a new open file description of the same file, with an offset of its own."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)


def open_beneath(root: int, path: str) -> OpenedFile:
    """Open the regular file at `path`, slashes between names, beneath the directory `root`.

    `..` is taken by its letters and may not lead above the root; links are refused wherever they lead.
    Every other character is literal. Raises `FileProblem`. May block as long as the disk does.
    """
    parts = _components(path)
    opened: list[int] = []
    try:
        here = root
        for part in parts[:-1]:
            here = _step(here, part, path, os.O_DIRECTORY)
            opened.append(here)
        # Only looked at first: opening a device or a pipe can already do something.
        found = _step(here, parts[-1], path, 0)
        opened.append(found)
        mode = os.fstat(found).st_mode
        if stat.S_ISLNK(mode):
            raise FileProblem("forbidden", f"{quoted(path)} is a symbolic link, and links aren't followed")
        if not stat.S_ISREG(mode):
            raise FileProblem("not-a-file", f"{quoted(path)} is not a regular file")
        try:
            descriptor = reopen(found, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise _explain(error, path) from error
    finally:
        for each in opened:
            os.close(each)
    facts = os.fstat(descriptor)
    return OpenedFile(
        descriptor,
        facts.st_size,
        f"file:{facts.st_dev}:{facts.st_ino}:{facts.st_size}:{facts.st_mtime_ns}",
        parts[-1],
        PurePosixPath(parts[-1]).suffix.lower(),
    )


def _components(path: str) -> list[str]:
    """Split a path into plain names, `..` already worked out."""
    try:
        length = len(os.fsencode(path))
    except UnicodeEncodeError as error:
        raise FileProblem("not-found", f"{quoted(path)} is not a valid Unicode text") from error
    if length > LONGEST_PATH:
        raise FileProblem("too-long", f"a path may have {LONGEST_PATH} bytes, this one has {length}")
    if "\0" in path:
        raise FileProblem("forbidden", f"{quoted(path)} contains a NUL character")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise FileProblem("forbidden", f"{quoted(path)} leads out of its root")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts or path.endswith(("/", "/.", "/..")):
        raise FileProblem("not-a-file", f"{quoted(path)} names a directory")
    return parts


def _step(here: int, part: str, path: str, flags: int) -> int:
    """Open one component without following it."""
    try:
        return os.open(part, _LOOK | flags, dir_fd=here)
    except OSError as error:
        if error.errno == errno.ENOTDIR and _is_link(here, part):
            raise FileProblem(
                "forbidden", f"{quoted(path)} leads through a link; they aren't followed"
            ) from error
        raise _explain(error, path) from error


def _is_link(here: int, part: str) -> bool:
    """Tell whether a name is a link; used to word an error, never to decide."""
    try:
        return stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _explain(error: OSError, path: str) -> FileProblem:
    """Turn what the kernel said into a sentence."""
    if error.errno == errno.ENAMETOOLONG:
        return FileProblem("too-long", f"{quoted(path)} has a name longer than the file system's")
    if error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP):
        return FileProblem("forbidden", f"{quoted(path)} may not be read: {os.strerror(error.errno)}")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return FileProblem("not-found", f"there is no file {quoted(path)}")
    return FileProblem("not-found", f"{quoted(path)} can't be opened: {os.strerror(error.errno or 0)}")
