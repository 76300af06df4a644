"""Files of a session as URLs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ._base import ControlModel, Dialect, Method, Scope, Seconds, WireModel


class UrlParams(ControlModel):
    """Which file, and for how long."""

    file_path: str = Field(min_length=1, max_length=4096, description="A `bdfile://` path of the session.")
    expires_in: Annotated[Seconds, Field(gt=0, le=86_400)] = 3600


class UrlResult(WireModel):
    """An absolute, signed URL; it needs no token."""

    url: str


FILE_URL: Method[UrlParams, UrlResult] = Method(
    "file.url",
    UrlParams,
    UrlResult,
    "A signed URL of a file, with Range.",
    scope=Scope.APP,
    dialect=Dialect.CONTROL,
    errors=("invalidParams", "fileNotFound"),
)
