"""A tenant's app, which asks the gateways of several Regions."""

from __future__ import annotations

from typing import Any

from tenants.selectors import TenantView, get_caller
from tenants.services.records import RecordInput, create_record, read_record
from tests.callers import people, token_of
from tests.cast import as_region
from tests.tenants.stored import ANN


class App:
    """Writes and reads people, each request with what its credential says at that moment."""

    def __init__(self, tenant: TenantView) -> None:
        """With an API key and a collection of its own."""
        self.token = token_of(tenant)
        self.collection = people(get_caller(self.token))
        self.written: list[str] = []

    def write(self, region: str, **fields: Any) -> str:
        """One more record, through the gateway of that Region; its id."""
        name = f"r{len(self.written)}"
        content = {**ANN, "email": f"{name}@example.org", "ssn": f"{len(self.written):09}"}
        with as_region(region):
            create_record(
                caller=get_caller(self.token),
                collection=self.collection,
                record=RecordInput(name, content | fields),
            )
        self.written.append(name)
        return name

    def read(self, region: str, name: str) -> dict[str, Any]:
        """Its fields, through the gateway of that Region."""
        with as_region(region):
            view = read_record(
                caller=get_caller(self.token), collection=self.collection, record_id=name
            )
        return dict(view.fields)

    def reads_all(self, region: str) -> int:
        """How many records there are, each of which opens there with every field."""
        for number, name in enumerate(self.written):
            fields = self.read(region, name)
            assert (fields["ssn"], fields["card"]) == (f"{number:09}", ANN["card"])
        return len(self.written)
