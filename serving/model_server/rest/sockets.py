"""Sockets that listen on all addresses of a host name."""

from __future__ import annotations

import errno
import os
import socket

_EVERY_ADDRESS = ("0.0.0.0", "::")
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(host: str, port: int, api: str) -> list[socket.socket]:
    """Listens on a port of each address of `host`; 0 takes a free one.

    Raises:
        OSError: the port is in use, or `host` is no address of this machine; the message names
            them and `api`.
    """
    try:
        return _listen(host, port)
    except OSError as error:
        reason = str(error.strerror)
        if error.errno is not None and error.errno > 0:  # negative: the name is not known
            reason = os.strerror(error.errno)
        raise OSError(f"{host}:{port} of the {api} API cannot be listened on: {reason}") from error


def _listen(host: str, port: int) -> list[socket.socket]:
    if host in _EVERY_ADDRESS:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        return [socket.create_server(("", port), family=family, dualstack_ipv6=both)]
    found = {
        (family, address[0])
        for family, *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    }
    sockets: list[socket.socket] = []
    for family, address in sorted(found):  # IPv4 first
        try:
            sockets.append(socket.create_server((address, port), family=family))
        except OSError as error:
            if sockets and error.errno in _NO_SUCH_FAMILY:
                continue  # localhost has an IPv6 address even where there is no IPv6
            for listening in sockets:
                listening.close()
            raise
        port = sockets[0].getsockname()[1]
    return sockets
