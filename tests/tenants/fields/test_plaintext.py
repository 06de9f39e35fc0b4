"""No plain value of an encrypted field, and no data key, is in any file of any server, log line or error."""

from __future__ import annotations

import logging
import pickle
import secrets
from typing import Any

import pytest
from django.db import Error, transaction

from crypto.errors import CryptoError
from crypto.keyring import PlaintextDataKey
from tenants.fields import using_tenant
from tenants.fields.keys import current_keys
from tests.flows.test_plaintext import Listener, files_of, spellings, write_everything_down
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Contact, Everything, Person
from tests.tenants.fields.rows import put


def write_in_every_way(account: Account, mark: str, control: str) -> list[str]:
    """Rows with that value, also such as the database refuses; what errors said."""
    email = f"{mark}@example.com"
    ann = Person.objects.create(account=account, name=control, email=email, phone=mark)
    Person.objects.bulk_create(
        [
            Person(account=account, email=f"{n}{email}", notes=f"{mark} {'long ' * 4000}")
            for n in range(9)
        ]
    )
    ann.notes = mark
    Person.objects.bulk_update([ann], ["notes"])
    Person.objects.update_or_create(pk=ann.pk, defaults={"notes": mark})
    Contact.objects.create(account=account, sealed=mark, other=mark)
    with using_tenant(account.tenant_id):
        Person.objects.filter(pk=ann.pk).update(phone=mark)
        Everything.objects.create(text=mark, json={mark: [mark]}, binary=mark.encode())
        found = Person.objects.filter(email=email).get()
    pickle.dumps(found)
    said = [repr(found), repr(vars(found)), str(Person.objects.filter(pk=ann.pk).values())]
    wrong: list[Any] = [
        Person(account=account, email=email),
        Person(account=account, phone=mark * 9),
        Everything(text=mark),
        Person(account=account, name="x" * 99, notes=mark),
    ]
    for row in wrong:
        with pytest.raises((Error, RuntimeError)) as caught:
            row.save()
        said += [repr(caught.value), repr(caught.value.__cause__)]
    current_keys().forget()
    with transaction.atomic(), pytest.raises(RuntimeError) as refused:
        Person(account=account, notes=mark).save()
    put(ann, "notes", b"broken")
    with pytest.raises(CryptoError) as broken:
        Person.objects.get(pk=ann.pk).notes  # noqa: B018 - reading it is the test
    return [*said, repr(refused.value), repr(broken.value)]


def test_nothing_that_was_written_shows_anywhere(
    account: Account, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_keys: list[bytes] = []
    init = PlaintextDataKey.__init__

    def noting(self: PlaintextDataKey, secret: bytes) -> None:
        data_keys.append(secret)
        init(self, secret)

    monkeypatch.setattr(PlaintextDataKey, "__init__", noting)
    listener = Listener()
    logging.getLogger().addHandler(listener)
    mark, control = f"mark{secrets.token_hex(8)}", f"control-{secrets.token_hex(12)}"
    try:
        said = write_in_every_way(account, mark, control)
    finally:
        logging.getLogger().removeHandler(listener)
    assert len(set(data_keys)) >= 3
    looked_for = {text for secret in (mark.encode(), *data_keys) for text in spellings(secret)}
    shown = "\n".join([*listener.lines, *said])
    assert not [text for text in looked_for if text.decode("latin-1") in shown]

    write_everything_down(stack)
    with_control = 0
    for path in files_of(stack):
        try:
            content = path.read_bytes().rstrip(b"\0")
        except FileNotFoundError:  # a server has just removed it
            continue
        assert not [text for text in looked_for if text in content], path
        with_control += control.encode() in content
    assert with_control >= 6  # the table and the write-ahead log of each Region
