"""A listener on the loopback interface that can be closed and opened again on the same port."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HOST = "127.0.0.1"
# Below the range from which Linux gives ports to outgoing connections: a client that retries against a closed listener
# could otherwise be given the listener's own port.
_FREE_PORTS = range(20_000, 32_000)


class Listener:
    """Serves `handler`. Port 0 stands for any free one."""

    def __init__(self, handler: Handler, port: int) -> None:
        """Nothing is bound yet."""
        # No access log: the trail says more, and says it of authenticated callers.
        self._server = web.Server(handler, access_log=None)
        self._runner: web.ServerRunner | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    async def open(self) -> None:
        """Listen, unless it does already; raises OSError when the port is taken."""
        if self._runner is not None:
            return
        bound = _bind(self.port)
        self.port = bound.getsockname()[1]
        runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, bound, backlog=1024).start()
        self._runner = runner

    async def close(self) -> None:
        """Stop listening and cut every connection, so that clients find the connection refused."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()


def _bind(port: int) -> socket.socket:
    if port:
        return _bound(port)
    for _ in range(100):
        try:
            return _bound(secrets.choice(_FREE_PORTS))
        except OSError:
            continue
    raise OSError("No free port was found.")


def _bound(port: int) -> socket.socket:
    attempt = socket.socket()
    attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        attempt.bind((HOST, port))
        attempt.listen(1)  # two sockets may share a port until one of them listens
    except OSError:
        attempt.close()
        raise
    return attempt
