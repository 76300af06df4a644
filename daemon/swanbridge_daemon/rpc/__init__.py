"""The edge: HTTP, WebSocket, JSON-RPC 2.0, and who may come in."""
