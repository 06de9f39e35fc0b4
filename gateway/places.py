"""Places: how many requests are worked on at the same time, and how many wait for the rest of their body.

Python runs one thread at a time: a few that work serve most requests, and more of them only get into each other's way.
But a thread that waits (for a client's body, for KMS, for a server that is away) does no work, and were there no
others, a few clients that send slowly would stop everybody. So there are more threads than places. A place is not
insisted on: where none becomes free for a quarter of a second, those who have them are waiting themselves.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from gateway.error_pages import busy
from gateway.errors import BodiesWaiting, FormTooLarge, explain

PATIENCE_SECONDS: Final = 0.25
MOST_WAITING: Final = 8  # of 32 threads (docker/entrypoint)
MOST_FORM_BYTES: Final = 64 * 1024


class Places:
    """Shared by the threads of a process."""

    def __init__(self, *, working: int, patience: float, waiting: int) -> None:
        """So many work at once; so many of one client may wait for their bodies. `patience` is in seconds."""
        self._free = threading.Semaphore(working)
        self._patience = patience
        self._mine = threading.local()
        self._most = waiting
        self._waiting: Counter[str] = Counter()  # holds those alone who wait at this moment
        self._counting = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Take a place."""
        self._take()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def wait(self, client: str) -> Iterator[None]:
        """Leave the place to others while this client sends; raises `BodiesWaiting` where too many of its own do."""
        with self._counting:
            if self._waiting[client] >= self._most:
                raise BodiesWaiting("Too many requests wait for the rest of their bodies.")
            self._waiting[client] += 1
        is_at_work = self._leave()
        try:
            yield
        finally:
            with self._counting:
                self._waiting[client] -= 1
                self._waiting += Counter()  # forgets those at zero
            if is_at_work:
                self._take()

    def _take(self) -> None:
        self._mine.place = self._free.acquire(timeout=self._patience)

    def _leave(self) -> bool:
        """Whether this thread was at work at all."""
        place = getattr(self._mine, "place", None)  # False: it works without one
        self._mine.place = None
        if place:
            self._free.release()
        return place is not None


# As many as there are connections to the database, so that none is waited for by somebody who has a place.
places: Final = Places(
    working=settings.GATEWAY_DATABASE_POOL_SIZE,
    patience=PATIENCE_SECONDS,
    waiting=MOST_WAITING,
)


class PlaceMiddleware:
    """Health checks are answered before, without a place. Bodies of the API are read once the client is known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """`get_response` is the rest of the stack."""
        self._rest = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Read the form, if there is one, and serve the request from a place."""
        with places.work():
            if not request.path_info.startswith("/api/"):
                try:
                    _read_form(request)
                except BodiesWaiting as error:
                    return busy(request, explain(error))
            return self._rest(request)


def _read_form(request: HttpRequest) -> None:
    """Read it before anything else is done: who sends it is known from it alone."""
    length = content_length(request)
    if length > MOST_FORM_BYTES:
        raise FormTooLarge("No form of the console is that large.")
    if length:
        with places.wait("console"):
            body = request.body
        if len(body) != length:
            raise BadRequest("The form ended early.")  # its last fields would be missing or cut off


def content_length(request: HttpRequest) -> int:
    """How many bytes the client says it sends."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
