"""The accounts' users and roles, those of the identities file and those that IAM's calls made, and who is who."""

from __future__ import annotations

from sandbox.kms.accounts import ROLE, USER, AccessKey, Principal
from sandbox.kms.arn import find_principal
from sandbox.kms.errors import Refusal
from sandbox.kms.identities import Identity, Preset, caller_context, principal_id
from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.document import Policy, parse_identity_policy
from sandbox.kms.sessions import Session, opened
from sandbox.kms.store import Store

_KEPT = 4096


class Directory:
    """Looks up principals by name, and callers by their credentials."""

    def __init__(self, store: Store, preset: Preset) -> None:
        """What the store holds of a name comes before what the file says of it."""
        self._store = store
        self._preset = preset
        self._callers: dict[tuple[str, str], Identity] = {}
        self._version = -1

    def reload(self, preset: Preset) -> None:
        """Another identities file."""
        self._preset = preset
        self._callers.clear()

    def find(self, arn: str) -> Principal | None:
        """The user or role of that ARN."""
        named = find_principal(arn)
        if named is None:
            return None
        account, kind, _, name = named
        found = self._store.accounts.find(account, kind, name)
        if found is not None:
            return found if found.arn == arn else None
        return self._preset.principals.get(arn)

    def find_by_name(self, account: str, kind: str, name: str) -> Principal | None:
        """The user or role of that name, which is unique in the account whatever the path."""
        found = self._store.accounts.find(account, kind, name)
        return found or next(
            (p for p in self._of_file(account, kind) if p.name == name),
            None,
        )

    def of_account(self, account: str, kind: str) -> list[Principal]:
        """The account's users or roles, by name."""
        found = {p.name: p for p in self._of_file(account, kind)}
        found |= {p.name: p for p in self._store.accounts.of_account(account, kind)}
        return [found[name] for name in sorted(found)]

    def is_preset(self, principal: Principal) -> bool:
        """Whether the identities file has it, so that it cannot be deleted."""
        return principal.arn in self._preset.principals

    def exists(self, arn: str) -> bool:
        """Whether a policy or grant may name this principal.

        The stand-in knows all principals of the accounts of which it knows any; of another account it cannot say.
        """
        account = arn.split(":")[4] if arn.count(":") >= 5 else ""
        if arn.startswith("arn:aws:sts:") and ":assumed-role/" in arn:
            role = arn.split("/")[1]
            return not self._knows(account) or self.find_by_name(account, ROLE, role) is not None
        if find_principal(arn) is None:
            return True  # a root user, a federated user, or everyone
        return not self._knows(account) or self.find(arn) is not None

    def identify(self, access_key: str, token: str, *, now: float) -> Identity:
        """Who has these credentials; refuses those of nobody. `now` is the real time."""
        session = opened(token, sealing_key=self._store.sealing_key) if token else None
        if session is not None and now >= session.expires_at:
            message = "The security token included in the request is expired"
            raise Refusal("ExpiredTokenException", message)
        if self._version != self._store.accounts.version or len(self._callers) >= _KEPT:
            self._version = self._store.accounts.version
            self._callers.clear()
        found = self._callers.get((access_key, token)) or self._found(access_key, token, session)
        if found is None:
            message = "The security token included in the request is invalid."
            raise Refusal("UnrecognizedClientException", message)
        self._callers[access_key, token] = found
        return found

    def _found(self, access_key: str, token: str, session: Session | None) -> Identity | None:
        if session is not None:
            return self._of_session(access_key, token, session)
        preset = self._preset.identities.get(access_key)
        if preset is not None:
            return preset if token == preset.session_token else None
        key = self._store.accounts.find_access_key(access_key)
        if key is None or token or not key.is_active:
            return None
        return self._of_user(key)

    def _of_user(self, key: AccessKey) -> Identity | None:
        user = self._store.accounts.find(key.account, USER, key.user)
        if user is None:
            return None
        caller = Caller.parse(user.arn, tags=dict(user.tags))
        return Identity(
            access_key=key.id,
            principal_id=principal_id(caller, user.unique_id),
            secret=key.secret,
            session_token="",
            caller=caller,
            policy=_policy_of(user),
            context=caller_context(caller),
        )

    def _of_session(self, access_key: str, token: str, session: Session) -> Identity | None:
        role = self.find(session.role)
        if role is None or access_key != session.access_key:
            return None
        caller = Caller.parse(
            f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session.name}",
            issuer=role.arn,
            tags={**role.tags, **session.tags},
        )
        return Identity(
            access_key=access_key,
            principal_id=principal_id(caller, role.unique_id),
            secret=session.secret,
            session_token=token,
            caller=caller,
            policy=_policy_of(role),
            session_policy=parse_identity_policy(session.policy) if session.policy else None,
            context=caller_context(caller),
        )

    def _of_file(self, account: str, kind: str) -> list[Principal]:
        presets = self._preset.principals.values()
        return [p for p in presets if (p.account, p.kind) == (account, kind)]

    def _knows(self, account: str) -> bool:
        return any(self.of_account(account, kind) for kind in (USER, ROLE))


def _policy_of(principal: Principal) -> Policy:
    """All its inline policies as one: statements add up."""
    return tuple(
        statement
        for text in principal.policies.values()
        for statement in parse_identity_policy(text)
    )
