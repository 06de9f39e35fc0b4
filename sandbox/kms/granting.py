"""Which grants let the caller do what no policy does, and the tokens that stand for grants."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.grants import Grant
from sandbox.kms.keys import RegionalKey
from sandbox.kms.policy.caller import Caller
from sandbox.kms.store import Store

_PURPOSE = b"grant token"
_NONCE = 12


def grants_for(
    store: Store,
    call: Call,
    action: str,
    key: RegionalKey,
    *,
    context: Mapping[str, str] | None,
    delegated: Callable[[], bool],
) -> list[Grant]:
    """The grants of the key that let the caller do `action`.

    A grant that is younger than `active_at` needs its token in the request. Constraints are met only by an operation
    that has an encryption context; those without one, such as DescribeKey, are not constrained. `delegated` says
    whether the caller's own policies allow it, which counts for a grant to a whole account.
    """
    shown = check_tokens(store, call)
    operation = action.removeprefix("kms:")
    return [
        grant
        for grant in store.grants.of_key(key)
        if operation in grant.operations
        and (call.now >= grant.active_at or grant.id in shown)
        and (context is None or grant.admits(context))
        and _is_for(grant.grantee, call.identity.caller, delegated)
    ]


def check_tokens(store: Store, call: Call) -> set[str]:
    """The ids of the grants whose tokens are in the request; refuses what is no token, even where none is needed."""
    return {opened_token(store, token) for token in call.parameters.get("GrantTokens", ())}


def is_named(principal: str, caller: Caller) -> bool:
    """Whether a principal of a grant is the caller: itself, or its role."""
    return principal in (caller.arn, caller.issuer)


def _is_for(grantee: str, caller: Caller, delegated: Callable[[], bool]) -> bool:
    return is_named(grantee, caller) or (grantee == caller.root_arn and delegated())


def new_token(store: Store, grant: Grant) -> str:
    """A token of the grant: opaque, and another one each time."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(store.sealing_key).encrypt(nonce, grant.id.encode(), _PURPOSE)
    return urlsafe_b64encode(nonce + sealed).decode()


def opened_token(store: Store, token: str) -> str:
    """The id of the token's grant, which may be gone by now; refuses what is no token of ours."""
    try:
        raw = urlsafe_b64decode(token)
        return AESGCM(store.sealing_key).decrypt(raw[:_NONCE], raw[_NONCE:], _PURPOSE).decode()
    except (ValueError, InvalidTag):
        raise Refusal("InvalidGrantTokenException", "The grant token is not valid.") from None
