"""Bytes of a session's files over HTTP: signed downloads with Range, bounded uploads."""

from __future__ import annotations

import contextlib
import mimetypes
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import BodyPartReader, web
from swanbridge_protocol import files
from swanbridge_protocol.errors import FileNotFound, InvalidParams

from ..core.api import answers
from ..core.ports import Draft, PortError
from ..core.session import Session
from ..services.sessions import SessionService
from .auth import Tokens

SCHEME = "bdfile://"
LARGEST_UPLOAD = 512 * 1024 * 1024  # bytes; the session's quota may end it sooner
CHUNK = 256 * 1024
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")


class FileRoutes:
    """Answers `file.url`, `GET /files/{id}` and `POST /files`. `base_url` is set when the port is known."""

    def __init__(self, sessions: SessionService, tokens: Tokens) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self.base_url = ""

    @answers(files.FILE_URL)
    def url(self, session: Session, params: files.UrlParams) -> files.UrlResult:
        """Sign a URL for a file that is there."""
        if not params.file_path.startswith(SCHEME):
            raise InvalidParams("filePath must be a bdfile:// path of this session")
        try:
            session.files.open(params.file_path).close()
        except PortError as error:
            raise FileNotFound(error.message) from error
        name = params.file_path.removeprefix(SCHEME)
        expires_at = int(time.time() + params.expires_in)
        query = urlencode(
            {
                "session": session.session_id,
                "expires": expires_at,
                "signature": self._tokens.sign_file(session.session_id, name, expires_at),
            }
        )
        return files.UrlResult(url=f"{self.base_url}/files/{quote(name, safe='')}?{query}")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Send a file; the signature is the authority."""
        name = request.match_info["name"]
        query = request.query
        session_id = query.get("session", "")
        try:
            expires_at = int(query.get("expires", ""))
        except ValueError:
            expires_at = 0
        if not self._tokens.file_allowed(session_id, name, expires_at, query.get("signature", "")):
            raise web.HTTPForbidden(
                text="the URL is not signed by this daemon, or has expired: ask file.url again\n"
            )
        session = self._sessions.find(session_id)
        if session is None:
            raise web.HTTPNotFound(text="the session has ended, and its files with it\n")
        try:
            opened = session.files.open(SCHEME + name)
        except PortError as error:
            raise web.HTTPNotFound(text=f"{error.message}\n") from error
        try:
            response = _OnceOpened(
                f"/proc/self/fd/{opened.descriptor}",
                headers={
                    "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
                    "X-Content-Type-Options": "nosniff",
                    "Content-Security-Policy": "sandbox; default-src 'none'",
                    "Access-Control-Allow-Origin": "*",
                },
            )
            await response.prepare(request)
        finally:
            opened.close()
        return response

    async def upload(self, request: web.Request, session: Session) -> web.Response:
        """Take a file, as the body with `?name=`, or as the first file of a form."""
        name, chunks = await _body(request)
        found = SUFFIX.search(name)
        draft: Draft | None = None
        size = 0
        try:
            draft = session.files.draft(found.group().lower() if found else "")
            async for chunk in chunks:
                size += len(chunk)
                if size > LARGEST_UPLOAD:
                    raise web.HTTPRequestEntityTooLarge(LARGEST_UPLOAD, size)
                draft.write(chunk)
            path = draft.commit()
        except PortError as error:
            raise web.HTTPInsufficientStorage(text=f"{error.message}\n") from error
        finally:
            if draft is not None:
                draft.discard()
        return web.json_response({"filePath": path, "size": size}, status=201)


class _OnceOpened(web.FileResponse):
    """A file that is looked at once: the descriptor in its path may be another file's soon.

    The framework prepares every response after its handler, this one for the second time.
    """

    async def prepare(self, request: web.BaseRequest) -> Any:
        if self.prepared:
            return await web.StreamResponse.prepare(self, request)
        return await super().prepare(request)


async def _body(request: web.Request) -> tuple[str, AsyncIterator[bytes]]:
    if not request.content_type.startswith("multipart/"):
        return request.query.get("name", ""), request.content.iter_chunked(CHUNK)
    with contextlib.suppress(ValueError):
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.filename:
                return part.filename, _chunks(part)
    raise web.HTTPBadRequest(text="the form holds no file\n")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield bytes(chunk)
