"""One operation of the API: what it takes, answers and refuses, declared once; requests are read and the OpenAPI
document is written from the same declaration, so that they cannot drift apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from math import inf
from typing import Any, TypeVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.api.authentication import OperatorAuthentication, TenantAppAuthentication
from gateway.api.bodies import check_path, read_body, read_query, refuse_body
from gateway.api.headers import REPLICA_LAG
from gateway.api.permissions import IsOperator, IsTenantApp
from gateway.api.shapes import Answer, Body, Nothing
from tenants.actor import Actor
from tenants.selectors import Caller
from tenants.selectors.lag import seconds_behind
from tenants.states import ApiScope

# How long a client may take to send a body and still be who they were when it began.
FRESH_SECONDS = 1.0

Handler = TypeVar("Handler", bound=Callable[..., Response])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`answers` maps each status of success to its shape; `errors` are the classes that only this operation raises;
    `request_headers` and `answer_headers` are names of `gateway.api.headers`."""

    name: str
    answers: dict[int, type[Answer] | None]
    body: type[Body] | None = None
    query: type[Body] = Nothing
    scope: ApiScope | None = None
    errors: tuple[type[Exception], ...] = ()
    request_headers: tuple[str, ...] = ()
    answer_headers: tuple[str, ...] = ()


def operation(
    name: str,
    *,
    answers: dict[int, type[Answer] | None],
    body: type[Body] | None = None,
    query: type[Body] = Nothing,
    scope: ApiScope | None = None,
    errors: tuple[type[Exception], ...] = (),
    request_headers: tuple[str, ...] = (),
    answer_headers: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Declare a handler of a view: it gets the path's values, and `body` and `query` where they are declared."""
    declared = Operation(
        name=name,
        answers=answers,
        body=body,
        query=query,
        scope=scope,
        errors=errors,
        request_headers=request_headers,
        answer_headers=answer_headers,
    )

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        def run(view: ApiView, request: Request, **path: object) -> Response:
            check_path(path)
            if declared.scope and isinstance(view, TenantAppView):
                view.caller.need(declared.scope)
            began = time.monotonic()
            arguments = _arguments(request, declared)
            if time.monotonic() - began > FRESH_SECONDS:
                # Else whoever begins a request and sends its body later could use a key after it was revoked.
                view.know_client(view.find_client(request))
            return handler(view, request, **path, **arguments)

        run.operation = declared  # type: ignore[attr-defined]  # read by gateway/api/schema.py
        return run  # type: ignore[return-value]  # the same to the router

    return declare


def _arguments(request: Request, declared: Operation) -> dict[str, Body]:
    query = read_query(request, declared.query)
    given: dict[str, Body] = {} if declared.query is Nothing else {"query": query}
    if declared.body is None:
        refuse_body(request)
    else:
        given["body"] = read_body(request, declared.body)
    return given


class ApiView(APIView):
    """The base of all views of the API: answers hold plaintext, so nobody on the way may keep one."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate."""
        super().initial(request, *args, **kwargs)
        self.know_client(request.user)

    def know_client(self, client: Any) -> None:
        """Take down who asks, as authentication has found them."""
        raise NotImplementedError

    def find_client(self, request: Request) -> Any:
        """Ask authentication anew; raises what it raises."""
        found = self.authentication_classes[0]().authenticate(request)
        return found and found[0]

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Mark the answer, errors included."""
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = "no-store"
        final.add_post_render_callback(_let_go)
        return final


def _let_go(response: Any) -> None:
    """View, request and response refer to each other in circles, which lie around until the garbage collector's next
    full round: without the plaintext, and without mebibytes of it."""
    response.renderer_context["view"].response = None
    response.data, response.renderer_context = None, {}


class TenantAppView(ApiView):
    """For tenant apps; `caller` is what the credential says of the tenant."""

    authentication_classes = (TenantAppAuthentication,)
    permission_classes = (IsTenantApp,)
    caller: Caller

    def know_client(self, client: Caller) -> None:
        """A tenant's API key, as IsTenantApp has seen."""
        self.caller = client

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Say so where this Region's reader is far behind: what is answered may be that old."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if (seconds := seconds_behind()) is not None:
            final[REPLICA_LAG] = "unknown" if seconds == inf else str(round(seconds))
        return final


class OperatorView(ApiView):
    """For the SaaS company's own automation; `actor` stands in audit events."""

    authentication_classes = (OperatorAuthentication,)
    permission_classes = (IsOperator,)
    actor: Actor

    def know_client(self, client: Actor) -> None:
        """An operator key, as IsOperator has seen."""
        self.actor = client
