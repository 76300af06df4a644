"""`data:` URLs as files without a name."""

from __future__ import annotations

import binascii
import fcntl
import os
import re
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_to_bytes

from .opened import OpenedFile, reopen
from .problems import FetchProblem

__all__ = ["is_data_url", "open_data_url"]

LARGEST: Final = 32 << 20  # bytes

_EXTENSIONS: Final = {
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/m4a": ".m4a",
    "audio/mp3": ".mp3",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/wave": ".wav",
    "audio/x-wav": ".wav",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
}
_BASE64 = re.compile(r";\s*base64\s*$", re.IGNORECASE)
_ALL_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def is_data_url(path: str) -> bool:
    """Tell whether a source is a `data:` URL."""
    return path[:5].lower() == "data:"


def open_data_url(url: str, limit: int = LARGEST) -> OpenedFile:
    """Give the bytes of a `data:` URL as an open, sealed file in memory.

    The identity follows from the bytes and the type. Raises `FetchProblem`: "malformed", or "too-large"
    when there are more than `limit` bytes. Decoding many megabytes takes milliseconds: then in a thread.
    """
    head, comma, body = url.partition(",")
    if not is_data_url(head) or not comma:
        raise FetchProblem("malformed", "a data: URL needs a comma before its data")
    head = head[5:]
    # Escapes and base64 only ever shrink, to a third and to three quarters.
    if len(body) > 4 * limit + 4:
        raise _too_large(limit)
    try:
        data = unquote_to_bytes(body.partition("#")[0])
    except UnicodeEncodeError as error:
        raise FetchProblem("malformed", "the data: URL is not valid Unicode") from error
    if marker := _BASE64.search(head):
        head = head[: marker.start()]
        data = _decode_base64(data)
    if len(data) > limit:
        raise _too_large(limit)
    mime = head.partition(";")[0].strip().lower() or "text/plain"
    return OpenedFile(
        _in_memory(data),
        len(data),
        f"data:{mime[:64]}:{blake2b(data, digest_size=16).hexdigest()}",
        "data",
        _EXTENSIONS.get(mime, ""),
    )


def _decode_base64(data: bytes) -> bytes:
    """Decode as browsers do: blanks are skipped, padding may be missing, the URL-safe letters count too."""
    plain = data.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n\f").rstrip(b"=")
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except binascii.Error as error:
        raise FetchProblem("malformed", "the data: URL is not valid base64") from error


def _in_memory(data: bytes) -> int:
    """Give a read-only descriptor of a sealed memory file with these bytes."""
    writer = os.memfd_create("swanbridge-data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(writer, rest) :]
        fcntl.fcntl(writer, fcntl.F_ADD_SEALS, _ALL_SEALS)
        return reopen(writer)
    finally:
        os.close(writer)


def _too_large(limit: int) -> FetchProblem:
    return FetchProblem("too-large", f"a data: URL may hold {limit} bytes")
