"""The description of the protocol, from the daemon itself."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from ._base import Dialect, Method, NoParams, Scope, WireModel


class OpenRpcDocument(WireModel):
    """An OpenRPC document."""

    model_config = ConfigDict(extra="allow")

    openrpc: str
    info: dict[str, Any]
    methods: list[dict[str, Any]]
    components: dict[str, Any]
    events: list[dict[str, Any]] = Field(alias="x-events")


DISCOVER: Method[NoParams, OpenRpcDocument] = Method(
    "rpc.discover",
    NoParams,
    OpenRpcDocument,
    "The OpenRPC document of this daemon.",
    scope=Scope.VIEW,
    dialect=Dialect.CONTROL,
    needs_session=False,
)
