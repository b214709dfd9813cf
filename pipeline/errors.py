"""Errors that end a command with one clear line instead of a stack trace."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right; the message says what, where and how."""
