"""An event loop in a thread of its own, and the one seam where other threads meet it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .errors import ConnectionLost

T = TypeVar("T")


class Portal:
    """Runs work in its loop for callers in other threads. Close it when done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="swanbridge", daemon=True)
        self._thread.start()

    @property
    def is_inside(self) -> bool:
        """Whether the caller is in the loop's thread, in a callback that is."""
        return threading.current_thread() is self._thread

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._loop.is_closed()

    def do(self, function: Callable[[], T]) -> T:
        """Call a function in the loop and return what it returns."""
        if self.is_inside:
            return function()

        async def called() -> T:
            return function()

        return self.wait(called)

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await in the loop; `RuntimeError` from inside a callback, which would wait for itself."""
        if self.is_inside:
            raise RuntimeError("a callback can't wait for the daemon: do this from your own thread")

        if self.closed:
            raise ConnectionLost("the session is closed")

        async def awaited() -> T:
            return await work()

        future = asyncio.run_coroutine_threadsafe(awaited(), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def accept(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Make a call and wait until it is accepted; from inside a callback, only make it."""
        if self.is_inside:
            call()
        else:
            self.wait(call)

    def close(self) -> None:
        """Stop the loop and its thread."""
        if self.closed:
            return
        self.wait(self._loop.shutdown_asyncgens)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
