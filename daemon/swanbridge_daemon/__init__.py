"""The daemon: holds state and speaks the protocol; imports no native media code."""

__version__ = "0.1.0"
