"""Descriptions of the protocol, made from its models: for machines, for TypeScript, for people."""

from .openrpc import openrpc

__all__ = ["openrpc"]
