"""What can go wrong with bytes: two errors, each a kind for programs and a sentence for people."""

from __future__ import annotations

from typing import Literal

__all__ = ["FetchKind", "FetchProblem", "FileKind", "FileProblem", "StorageError", "quoted"]

FileKind = Literal["not-found", "forbidden", "not-a-file", "too-long", "quota"]
FetchKind = Literal["network", "forbidden", "too-large", "malformed"]

SHOWN = 80  # characters of a foreign name that a sentence repeats


class StorageError(Exception):
    """Base of the errors of storage; `sentence` is fit for a client."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


class FileProblem(StorageError):
    """A path that can't be opened, a file that can't be kept."""

    kind: FileKind

    def __init__(self, kind: FileKind, sentence: str) -> None:
        super().__init__(kind, sentence)


class FetchProblem(StorageError):
    """An address that can't be read. No sentence repeats user, password or query of a URL."""

    kind: FetchKind

    def __init__(self, kind: FetchKind, sentence: str) -> None:
        super().__init__(kind, sentence)


def quoted(name: str) -> str:
    """Give a foreign name as one short printable ASCII line."""
    return ascii(name if len(name) <= SHOWN else name[: SHOWN - 1] + "…")
