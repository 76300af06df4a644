"""The storage ports of `core.ports`: a session's files, and what `src` may name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from ..core.ports import Files, Growing, OpenFile, PortError
from .data_url import is_data_url, open_data_url
from .download import Download
from .fetch import Fetcher
from .problems import FetchProblem, FileProblem
from .stores import Draft, SessionFiles

INLINE_DATA_URL = 64 * 1024  # characters; a longer one is decoded in a thread


class PortFiles:
    """A session's store as services and engines see it; problems come as `PortError` "file"."""

    def __init__(self, files: SessionFiles) -> None:
        self.store = files

    def open(self, path: str) -> OpenFile:
        """Open a package or `bdfile://` path."""
        try:
            opened = self.store.resolve(path)
        except FileProblem as problem:
            raise PortError("file", problem.sentence) from problem
        return OpenFile(opened.release(), opened.name, opened.size, opened.identity)

    def draft(self, suffix: str) -> PortDraft:
        """Begin a temp file."""
        try:
            return PortDraft(self.store.create(suffix))
        except (FileProblem, OSError) as problem:
            raise PortError("system", f"a temporary file can't be made: {problem}") from problem

    def close(self) -> None:
        """Delete the temp files."""
        self.store.close()


class PortDraft:
    """A file being made."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft

    @property
    def descriptor(self) -> int:
        """Return the open, writable descriptor."""
        return self._draft.descriptor

    def write(self, data: bytes) -> None:
        """Append."""
        try:
            self._draft.write(data)
        except FileProblem as problem:
            raise PortError("system", problem.sentence) from problem

    def commit(self) -> str:
        """Give it its name."""
        try:
            return self._draft.commit()
        except FileProblem as problem:
            raise PortError("system", problem.sentence) from problem

    def discard(self) -> None:
        """Throw it away."""
        self._draft.discard()


class PortDownload:
    """A download as a growing file."""

    def __init__(self, download: Download, name: str) -> None:
        self._download = download
        self.descriptor = download.descriptor
        self.name = name
        self.key: Hashable = download.identity

    @property
    def size(self) -> int:
        """Return the whole size, -1 while unknown."""
        return self._download.size

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Return what is here."""
        return list(self._download.ranges)

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self._download.complete

    @property
    def error(self) -> str:
        """Why nothing more comes."""
        error = self._download.error
        return "" if error is None else error.sentence

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call back on progress."""
        self._download.on_progress(changed)

    def want(self, offset: int) -> None:
        """Fetch from `offset` on."""
        self._download.want(offset)

    def close(self) -> None:
        """Let go of it."""
        self._download.close()


class SourceOpener:
    """Opens what a program wrote into `src`: a path, an http(s):// or a data: URL."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def open(self, source: str, files: Files) -> OpenFile | Growing:
        """Open a source; anything but the forms above is refused as a path."""
        if is_data_url(source):
            try:
                if len(source) <= INLINE_DATA_URL:
                    opened = open_data_url(source)
                else:
                    opened = await asyncio.to_thread(open_data_url, source)
            except FetchProblem as problem:
                raise PortError("file", problem.sentence) from problem
            return OpenFile(opened.release(), opened.name, opened.size, opened.identity)
        head = source[:8].lower()
        try:
            if head.startswith(("http://", "https://")):
                download = await self._fetcher.open(source)
                # No part of the URL but its last word goes on: the rest may hold credentials.
                name = source.partition("?")[0].rpartition("/")[2][-64:]
                return PortDownload(download, name or "download")
        except FetchProblem as problem:
            raise PortError("network", problem.sentence) from problem
        return files.open(source)
