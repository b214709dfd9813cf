"""Why no picture can be answered at all; what is wrong with one picture is in its prediction."""

from __future__ import annotations


class ClientError(Exception):
    """No call can succeed as things are; the message says what is wrong, where and what to do."""


class ServerUnavailableError(ClientError):
    """Nothing answers at the server's address, or it is not to be trusted."""


class ModelNotFoundError(ClientError):
    """The server does not serve this model, or not this version of it."""
