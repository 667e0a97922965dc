"""What can go wrong while a tool is looked for; every message says what to do about it."""

from __future__ import annotations

__all__ = ["BuildFailed", "NotAvailable", "ToolchainError"]


class ToolchainError(Exception):
    """A tool could not be had. The message is meant for the person who runs the command."""


class NotAvailable(ToolchainError):
    """One way to get a tool is closed here; another one may be open."""


class BuildFailed(ToolchainError):
    """A build started and failed; another way would hide a broken pin, so none is tried."""
