"""What a model with encrypted fields gets when it is made, beside the fields: a manager, and two careful methods."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import Any

from django.db.models import Manager, Model

from tenants.fields.attribute import unopened
from tenants.fields.errors import TenantMissing
from tenants.fields.queryset import EncryptedManager, encrypted_fields, seal_row, with_companions

_DONE = "_encrypted_fields_ready"


def prepare_model(sender: Any, **_: object) -> None:
    """Called by Django for every model."""
    if not encrypted_fields(sender):
        return
    _give_manager(sender)
    if not hasattr(sender, _DONE):
        sender.save_base = _saving(sender.save_base)
        sender.refresh_from_db = _refreshing(sender.refresh_from_db)
        setattr(sender, _DONE, True)


def _give_manager(model: type[Model]) -> None:
    """Ours in place of the one that Django makes for a model that names none."""
    manager: Any = model._meta.managers_map.get("objects")
    if manager is not None and manager.auto_created and type(manager) is Manager:
        ours = EncryptedManager()
        ours.auto_created = True
        own: Any = model._meta.local_managers
        own[:] = [other for other in own if other.name != "objects"]
        model.add_to_class("objects", ours)


def _saving(save_base: Any) -> Any:
    """With an encrypted field its tokens are saved. Where Django will open a transaction, values are sealed before."""

    @wraps(save_base)
    def saving(self: Model, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        if update_fields is not None:
            update_fields = frozenset(with_companions(type(self), update_fields))
        if self._meta.concrete_model._meta.parents:  # type: ignore[union-attr]  # None for abstract ones
            # A receiver of Django's pre_save signal may still say whose the row is.
            with suppress(TenantMissing):
                seal_row(self, add=self._state.adding, names=update_fields or ())
        save_base(self, *args, update_fields=update_fields, **kwargs)

    saving.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own, for templates
    return saving


def _refreshing(refresh_from_db: Any) -> Any:
    """Take over what was loaded as it is: nothing is opened that nobody reads."""

    @wraps(refresh_from_db)
    def refreshing(self: Model, *args: Any, **kwargs: Any) -> None:
        with unopened(copies_of=self):
            refresh_from_db(self, *args, **kwargs)

    return refreshing
