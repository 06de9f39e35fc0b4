"""The table of operations: each is a function that takes the service's state and a call, and gives an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

from sandbox.kms.call import Call
from sandbox.kms.events import Action
from sandbox.kms.service import Service
from sandbox.kms.shapes import compile_parameters

Answer = dict[str, Any] | None
Handler = Callable[[Service, Call], Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """`signing_name` is the service in the credential scope; a slow handler runs in a thread."""

    action: Action
    model: OperationModel
    signing_name: str
    handler: Handler
    parameters: Callable[[Any], dict[str, Any]]
    slow: bool


# What the X-Amz-Target header, the path of Smithy RPC v2, or the Version of a query calls each service.
_SIGNING_NAMES = {
    "TrentService": "kms",
    "ResourceGroupsTaggingAPI_20170126": "tagging",
    "CloudTrail_20131101": "cloudtrail",
    "2011-06-15": "sts",
    "2010-05-08": "iam",
}
_MODELS = {"tagging": "resourcegroupstaggingapi"}

_OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(
    name: str,
    *,
    service: str = "kms",
    read_only: bool = False,
    slow: bool = False,
    needs: Sequence[str] = (),
) -> Callable[[Handler], Handler]:
    """Enter the function in the table; `slow` when it reads files at length, `needs` as `compile_parameters` has it."""

    def enter(handler: Handler) -> Handler:
        model = _model(service).operation_model(name)
        shape = model.input_shape
        action = Action(
            name=name,
            source=f"{service}.amazonaws.com",
            read_only=read_only,
            secret=_secret_members(shape),
        )
        _OPERATIONS[service, name] = Operation(
            action, model, service, handler, compile_parameters(shape, needs=needs), slow
        )
        return handler

    return enter


def find_operation(target: str, name: str) -> Operation | None:
    """The operation by the service's wire name (`TrentService`) and its own."""
    return _OPERATIONS.get((_SIGNING_NAMES.get(target, ""), name))


def operation_names() -> list[tuple[str, str]]:
    """Service and name of every operation that is served."""
    return list(_OPERATIONS)


def is_known(name: str, elsewhere: Sequence[str] = ()) -> bool:
    """Whether an operation of that name is served: here, or by the services that other processes serve."""
    here = any(name == known for _, known in _OPERATIONS)
    return here or any(name in _model(service).operation_names for service in elsewhere)


def _secret_members(shape: StructureShape | None) -> frozenset[str]:
    """Plaintext and ciphertext: every blob."""
    members = shape.members.items() if shape else ()
    blobs = {name for name, member in members if member.type_name == "blob"}
    return frozenset(blobs | {"GrantToken", "GrantTokens", "Recipient"})


@cache
def _model(service: str) -> ServiceModel:
    name = _MODELS.get(service, service)
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)
