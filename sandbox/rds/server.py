"""The RDS query protocol over a Unix socket. Who calls has been checked by the endpoint that passed the request on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from botocore.loaders import Loader
from botocore.model import ServiceModel

from sandbox.kms import query
from sandbox.kms.errors import Refusal
from sandbox.kms.shapes import compile_parameters
from sandbox.kms.signature import parse_signature
from sandbox.layout import ACCOUNT, REGIONS
from sandbox.rds.operations import Databases

logger = logging.getLogger(__name__)

# What an account sees that has no databases.
_NOTHING = {"DescribeGlobalClusters": "GlobalClusters", "DescribeDBClusters": "DBClusters"}


class Handler:
    """Answers requests."""

    def __init__(self, databases: Databases) -> None:
        """Read the API's model for the operations that are served."""
        model = ServiceModel(Loader().load_service_model("rds", "service-2"), "rds")
        self._databases = databases
        self._models = {name: model.operation_model(name) for name in databases.operations}
        self._checks = {
            name: compile_parameters(each.input_shape) for name, each in self._models.items()
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one HTTP request."""
        body = await request.read()
        try:
            status, content = 200, await asyncio.to_thread(self._answer, request, body)
        except Refusal as refusal:
            status, content = refusal.status, query.encode_refusal(refusal)
        return web.Response(status=status, body=content, content_type="text/xml")

    def _answer(self, request: web.BaseRequest, body: bytes) -> bytes:
        name = query.form_of(body).get("Action", "")
        model = self._models.get(name)
        if model is None:
            raise Refusal("InvalidAction", f"{name} is not served here.")
        signature = parse_signature(request.headers)
        if signature.region not in REGIONS:
            message = f"{signature.region} is not a Region of the sandbox."
            raise Refusal("InvalidParameterValue", message)
        parameters = self._checks[name](query.decode(body, model))
        if signature.access_key != ACCOUNT:  # the endpoint puts the caller's account there
            return query.encode(model, _of_another_account(name))
        try:
            answer = self._databases.operations[name](parameters, signature.region)
        except Refusal:
            raise
        except Exception:
            logger.exception("%s failed", name)
            raise Refusal("InternalFailure", "Internal error.", status=500) from None
        return query.encode(model, answer)


def _of_another_account(name: str) -> dict[str, list[str]]:
    if name not in _NOTHING:
        raise Refusal("GlobalClusterNotFoundFault", "The global cluster was not found.", 404)
    return {_NOTHING[name]: []}


@asynccontextmanager
async def serve(databases: Databases, socket: Path) -> AsyncIterator[None]:
    """Listen on the socket, in a directory that only this user can enter, while the block runs."""
    socket.unlink(missing_ok=True)
    runner = web.ServerRunner(web.Server(Handler(databases).handle, access_log=None))
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()
        yield
    finally:
        await runner.cleanup()
