"""Descriptions of the protocol, made from its models: for machines, for TypeScript, for people."""

from .markdown import markdown
from .openrpc import openrpc
from .typescript import names, typescript

__all__ = ["markdown", "names", "openrpc", "typescript"]
