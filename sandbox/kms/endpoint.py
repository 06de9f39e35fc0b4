"""One Region's endpoint: authenticate, check, run the operation, answer, and record it in the trail."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, key_unavailable
from sandbox.kms.events import event_of
from sandbox.kms.forwarding import Forwarding, forwarded_action
from sandbox.kms.identities import Identity
from sandbox.kms.injection import Injection, Silence
from sandbox.kms.operations import Operation, find_operation
from sandbox.kms.protocol import Route, route
from sandbox.kms.registry import Answer
from sandbox.kms.service import Service
from sandbox.kms.signature import SignedRequest, check_scope, check_signature, parse_signature

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The handler of one Region. `injection` is what goes wrong in it."""

    region: str
    service: Service
    verify_signatures: bool = True
    forwarding: Forwarding
    injection: Injection = field(default_factory=Injection)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one HTTP request, or keep silent where a fault demands it."""
        body = await request.read()
        try:
            self.injection.on_arrival()
            return await self._handle(request, body)
        except Silence as silence:
            return await self.injection.keep_silent(request, silence.fault)

    async def _handle(self, request: web.BaseRequest, body: bytes) -> web.Response:
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
        service = operation.signing_name if operation else self.forwarding.find(request.headers)
        if service is None:
            raise Refusal("UnknownOperationException", "The operation is not known here.")
        action = operation.action if operation else forwarded_action(service, wanted.operation)
        # A caller who is not known is no principal, so that CloudTrail has no event of it, here as at AWS.
        call = Call(
            identity=self._authenticate(request, service, body),
            region=self.region,
            parameters={},
            now=self.service.store.clock.now(),
            request_id=request_id,
        )
        answer: Answer = None
        user_agent = request.headers.get("User-Agent", "")
        try:
            if operation:
                answer = await self._run(operation, call, wanted, body)
                content = wanted.dialect.encode(operation.model, answer)
            else:
                await self.injection.before(action)
                content = await self.forwarding.send(service, call, action, request.headers, body)
        except Refusal as refusal:
            event = event_of(action, call, user_agent=user_agent, refusal=refusal)
            self.service.trail.record(self.region, event)
            raise
        event = event_of(action, call, user_agent=user_agent, answer=answer)
        self.service.trail.record(self.region, event)
        self.injection.after(action)
        return content

    async def _run(self, operation: Operation, call: Call, wanted: Route, body: bytes) -> Answer:
        try:
            await self.injection.before(operation.action)
            call.parameters = operation.parameters(wanted.dialect.decode(body, operation.model))
            self.service.quotas.charge(call, operation.action)
            self.service.settle(call.now)
            if operation.slow:
                answer = await asyncio.to_thread(operation.handler, self.service, call)
            else:
                answer = operation.handler(self.service, call)
            if self.injection.is_material_out(operation.action):
                call.material_id = ""
                raise key_unavailable()
            return answer
        except (Refusal, Silence):
            raise
        except Exception:
            logger.exception("%s failed", operation.action.name)
            raise Refusal("KMSInternalException", "Internal error.", status=500) from None

    def _authenticate(self, request: web.BaseRequest, service: str, body: bytes) -> Identity:
        signature = parse_signature(request.headers)
        token = request.headers.get("X-Amz-Security-Token", "")
        # Credentials and signatures go by the real time, however far a test has moved that of keys.
        now = time.time()
        identity = self.service.directory.identify(signature.access_key, token, now=now)
        check_scope(signature, region=self.region, service=service)
        if self.verify_signatures:
            path, _, query = request.path_qs.partition("?")
            signed = SignedRequest(request.method, path, query, request.headers, body)
            check_signature(signature, signed, identity, now=now)
        return identity
