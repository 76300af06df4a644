"""One call over plain HTTP, inside a session that somebody else holds; and files by their URL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

import aiohttp

from .discovery import HOW_TO_START, Address
from .errors import ConnectionRefused, DaemonNotFound, RemoteError, from_wire

CHUNK = 256 * 1024


class Rpc:
    """`POST /rpc`, within `session_id` if one is named. An async context manager."""

    def __init__(self, address: Address, session_id: str | None = None) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        if session_id is not None:
            self._headers["Swanbridge-Session"] = session_id
        self._http = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """Return the result; raises `SwanError`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            async with self._http.post(
                f"{self._address.base}/rpc", json=body, headers=self._headers
            ) as response:
                if response.status in (401, 403, 429):
                    raise ConnectionRefused((await response.text()).strip(), status=response.status)
                if response.status != 200:
                    raise RemoteError(response.status, "http", (await response.text()).strip())
                answer = await response.json()
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise DaemonNotFound(
                f"nothing answers at {self._address.base} ({error}): {HOW_TO_START}"
            ) from error
        if "error" in answer:
            raise from_wire(answer["error"])
        return answer.get("result")

    async def events(self, after: int = 0) -> aiohttp.ClientResponse:
        """Return the stream of the session's events after a number; the caller closes it."""
        return await self._http.get(
            f"{self._address.base}/events",
            headers={**self._headers, "Last-Event-ID": str(after)},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def upload(self, path: Path) -> str:
        """Put a local file into the session's temp store; returns its `bdfile://` path."""
        async with self._http.post(
            f"{self._address.base}/files",
            params={"name": path.name},
            data=await asyncio.to_thread(path.read_bytes),
            headers=self._headers,
        ) as response:
            if response.status != 201:
                raise RemoteError(response.status, "http", (await response.text()).strip())
            return str((await response.json())["filePath"])

    async def download(self, url: str, to: Path) -> None:
        """Write what a signed URL gives into a file."""
        async with self._http.get(url) as response:
            response.raise_for_status()
            with open(to, "wb") as file:  # noqa: ASYNC230 - a command's own loop has nothing else to do
                async for chunk in response.content.iter_chunked(CHUNK):
                    file.write(chunk)
