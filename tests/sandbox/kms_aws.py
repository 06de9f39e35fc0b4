"""The cast on AWS: roles made for the run, and everything put away at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.sandbox.kms_cast import IDENTITIES, Cast
from tests.sandbox.kms_roles import assume, delete_role, make_role
from tests.sandbox.kms_target import ACCOUNT, HOME, OTHER_ACCOUNT, OTHER_PROFILE, PREFIX

_PATIENCE = 60.0


class AwsCast(Cast):
    """A cast that notes every key and role that any of its clients makes, whichever test it was."""

    def __init__(self, credentials: dict[str, dict[str, str]]) -> None:
        super().__init__(None, credentials)
        self._keys: list[str] = []
        self._roles: list[str] = []

    def client(self, service: str, who: str, region: str) -> Any:
        client = super().client(service, who, region)
        events = client.meta.events
        for name, note in (
            ("kms.CreateKey", lambda parsed, **_: self._note(self._keys, parsed, "KeyMetadata", "Arn")),
            ("kms.ReplicateKey", lambda parsed, **_: self._note(self._keys, parsed, "ReplicaKeyMetadata", "Arn")),
            ("iam.CreateRole", lambda parsed, **_: self._note(self._roles, parsed, "Role", "RoleName")),
        ):  # fmt: skip
            events.register(f"after-call.{name}", note, unique_id=f"note-{name}")
        return client

    def dispose(self) -> None:
        """Schedule every key for deletion, since AWS bills for them, and delete every role."""
        for arn in reversed(self._keys):  # replicas were made after their primaries
            with suppress(ClientError):  # it is pending deletion already, or of the second account
                kms = self.kms("janitor", arn.split(":")[3])
                kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
        iam = self.client("iam", "operator", HOME)
        for role in self._roles:
            with suppress(ClientError):  # its test has deleted it
                delete_role(iam, role)

    @staticmethod
    def _note(noted: list[str], parsed: dict[str, Any], noun: str, name: str) -> None:
        if noun in parsed:  # not an error
            noted.append(parsed[noun][name])


@contextmanager
def on_aws() -> Iterator[Cast]:
    """A cast whose every role is made, and assumed, and deleted again."""
    with ExitStack() as stack:
        credentials: dict[str, dict[str, str]] = {}
        for account, profile in ((ACCOUNT, None), (OTHER_ACCOUNT, OTHER_PROFILE)):
            if profile == "":
                continue
            boto_session: Any = boto3.Session(profile_name=profile, region_name=HOME)
            iam, sts = boto_session.client("iam"), boto_session.client("sts")
            if sts.get_caller_identity()["Account"] != account:
                raise RuntimeError(f"The credentials are not of account {account}.")
            credentials |= stack.enter_context(sessions_of(iam, sts, account))
        cast = AwsCast(credentials)
        stack.callback(cast.dispose)
        yield cast


@contextmanager
def sessions_of(
    iam: Any, sts: Any, account: str, *, prefix: str = PREFIX
) -> Iterator[dict[str, dict[str, str]]]:
    """Roles for those of the cast who are of that account; credentials of a session of each, by their names."""
    root = f"arn:aws:iam::{account}:root"
    arns = {}
    with ExitStack() as stack:
        for access_key, entry in IDENTITIES.items():
            if entry["account"] != account or "session_token" in entry:
                continue
            name = prefix + entry["arn"].split("/")[1].removeprefix(PREFIX)
            arns[access_key.removeprefix("AKIA").lower()] = make_role(
                iam, name, entry, assumed_by=root
            )
            stack.callback(delete_role, iam, name)
        yield {who: assume(sts, arn, patience=_PATIENCE) for who, arn in arns.items()}
