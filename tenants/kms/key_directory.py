"""Where tenants' key ARNs are published: AWS Systems Manager Parameter Store, in each Region for itself."""

from __future__ import annotations

from contextlib import suppress

from crypto.arn import KeyArn
from crypto.errors import InvalidKeyArn, KeyNotFound
from crypto.kms.clients import KmsClients
from crypto.kms.translate import translated


class KeyDirectory:
    """Writes and reads the ARN of a tenant's key under a parameter name, with the admin role."""

    def __init__(self, clients: KmsClients) -> None:
        self._clients = clients

    def publish(self, *, region: str, name: str, arn: KeyArn) -> None:
        """Put the parameter; writing the same again changes nothing but its version."""
        with translated("ssm:PutParameter", region):
            ssm = self._clients.ssm(region)
            ssm.put_parameter(Name=name, Value=str(arn), Type="String", Overwrite=True)

    def find(self, *, region: str, name: str) -> KeyArn | None:
        """The published ARN, or None; what is no ARN of a key names none."""
        text = self.find_text(region=region, name=name)
        try:
            return None if text is None else KeyArn.parse(text)
        except InvalidKeyArn:
            return None

    def find_text(self, *, region: str, name: str) -> str | None:
        """Whatever the parameter holds, or None where there is none."""
        try:
            with translated("ssm:GetParameter", region):
                answer = self._clients.ssm(region).get_parameter(Name=name)
        except KeyNotFound:
            return None
        return answer["Parameter"]["Value"]

    def withdraw(self, *, region: str, name: str) -> None:
        """Delete the parameter; one that is not there is no error."""
        with suppress(KeyNotFound), translated("ssm:DeleteParameter", region):
            self._clients.ssm(region).delete_parameter(Name=name)
