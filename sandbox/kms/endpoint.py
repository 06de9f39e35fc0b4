"""One Region's endpoint: authenticate, check, run the operation, answer, and record it in the trail."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.events import event_of
from sandbox.kms.identities import Identity
from sandbox.kms.operations import Operation, find_operation
from sandbox.kms.protocol import Route, route
from sandbox.kms.registry import Answer
from sandbox.kms.service import Service
from sandbox.kms.signature import SignedRequest, check_scope, check_signature, parse_signature

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Door:
    """Who may come in, the same in every Region."""

    identities: dict[str, Identity] = field(default_factory=dict)
    verify_signatures: bool = True


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The handler of one Region. `throttled` answers every request as AWS does above the quota."""

    region: str
    service: Service
    door: Door
    throttled: bool = False

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one HTTP request."""
        body = await request.read()
        request_id = str(uuid4())
        wanted = route(request.path, request.headers, body)
        try:
            status, content = 200, await self._answer(request, wanted, body, request_id)
        except Refusal as refusal:
            status, content = refusal.status, wanted.dialect.encode_refusal(refusal)
        headers = {"x-amzn-RequestId": request_id, "Content-Type": wanted.dialect.content_type}
        if wanted.dialect.content_type == "application/cbor":
            headers["smithy-protocol"] = "rpc-v2-cbor"
        return web.Response(status=status, body=content, headers=headers)

    async def _answer(
        self, request: web.BaseRequest, wanted: Route, body: bytes, request_id: str
    ) -> bytes:
        operation = find_operation(wanted.service, wanted.operation)
        if operation is None:
            raise Refusal("UnknownOperationException", "The operation is not known here.")
        # A caller who is not known is no principal, so that CloudTrail has no event of it, here as at AWS.
        call = Call(
            identity=self._authenticate(request, operation, body),
            region=self.region,
            parameters={},
            now=self.service.store.clock.now(),
            request_id=request_id,
        )
        answer: Answer = None
        refusal: Refusal | None = None
        try:
            answer = await self._run(operation, call, wanted, body)
            return wanted.dialect.encode(operation.action.name, answer)
        except Refusal as error:
            refusal = error
            raise
        finally:
            event = event_of(
                operation.action,
                call,
                user_agent=request.headers.get("User-Agent", ""),
                answer=answer,
                refusal=refusal,
            )
            self.service.trail.record(self.region, event)

    async def _run(self, operation: Operation, call: Call, wanted: Route, body: bytes) -> Answer:
        try:
            if self.throttled:
                raise Refusal("ThrottlingException", "Rate exceeded")
            call.parameters = operation.parameters(wanted.dialect.decode(body))
            self.service.store.settle(call.now)
            if operation.slow:
                return await asyncio.to_thread(operation.handler, self.service, call)
            return operation.handler(self.service, call)
        except Refusal:
            raise
        except Exception:
            logger.exception("%s failed", operation.action.name)
            raise Refusal("KMSInternalException", "Internal error.", status=500) from None

    def _authenticate(
        self, request: web.BaseRequest, operation: Operation, body: bytes
    ) -> Identity:
        signature = parse_signature(request.headers)
        identity = self.door.identities.get(signature.access_key)
        token = request.headers.get("X-Amz-Security-Token", "")
        if identity is None or token != identity.session_token:
            message = "The security token included in the request is invalid."
            raise Refusal("UnrecognizedClientException", message)
        check_scope(signature, region=self.region, service=operation.signing_name)
        if self.door.verify_signatures:
            path, _, query = request.path_qs.partition("?")
            signed = SignedRequest(request.method, path, query, request.headers, body)
            check_signature(signature, signed, identity, now=time.time())
        return identity
