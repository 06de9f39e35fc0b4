"""EncryptedField: what all encrypted fields share. Mixed in front of one of Django's own fields.

The column holds one AWS Encryption SDK message for each value. The message names tenant and classification in its
encryption context; model, field and, with `bind_row`, the primary key stand inside of it. A message that was moved to
another tenant, classification, model or field does not open.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast
from uuid import UUID

from django.core.checks import CheckMessage
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError, models
from django.db.models import Model

from crypto.errors import DecryptionFailed
from crypto.part import Binding, JsonValue, decode_part, encode_part
from tenants.fields import checks, columns, forms, lookups, paths, schema
from tenants.fields.ambient import current_tenant, required_tenant, tenant_id
from tenants.fields.attribute import EncryptedAttribute, unopened
from tenants.fields.errors import TenantMissing, WrongTenant
from tenants.fields.keys import Plaintext, current_keys
from tenants.fields.search import SUFFIX, BlindIndexField, Equality, Stale
from tenants.fields.value import MASK, EncryptedValue, Where

if TYPE_CHECKING:
    _Field = models.Field[Any, Any]
else:
    _Field = models.Field

# What may change without touching the column: it is always the same one.
_OWN_OPTIONS = {"tenant": "", "classification": "pii", "queries": None, "bound_to": "", "bind_row": False}  # fmt: skip


class EncryptedField(_Field):
    """Options beside those of Django's field of the same kind:

    - `tenant`: path to the tenant's id from the row, such as `"account__tenant_id"`; without it the ambient tenant.
    - `classification`: what Region rules and key policies speak of.
    - `queries`: `Equality()` for search.
    - `bound_to`: `"app.model.field"` as it was when values were sealed, after a rename.
    - `bind_row`: bind each value to its row's primary key, a UUID; it then opens in no other row.
    """

    descriptor_class = EncryptedAttribute
    empty_strings_allowed = False  # a default value of the database would be plain text
    is_mutable: ClassVar[bool] = False  # whether a value can change without being assigned anew
    may_be_searched: ClassVar[bool] = True

    def __init__(
        self,
        *args: Any,
        tenant: str = "",
        classification: str = "pii",
        queries: Equality | None = None,
        bound_to: str = "",
        bind_row: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant
        self.classification = classification
        self.queries = queries
        self.bound_to = bound_to
        self.bind_row = bind_row

    # What the value is bound to

    @property
    def label(self) -> str:
        """The field as people know it: `crm.Person.email`."""
        return f"{self.model._meta.label}.{self.name}"

    @property
    def place(self) -> tuple[str, str]:
        """The model and the field as the message names them."""
        place = self.bound_to or f"{self.model._meta.label_lower}.{self.name}"
        model, _, name = place.rpartition(".")
        return model, name

    def where(self, instance: Model) -> Where:
        """Whose value this row's is. Raises `TenantMissing`, `WrongTenant`."""
        row = str(instance._meta.pk.to_python(instance.pk)) if self.bind_row else ""
        return Where(self.tenant_of(instance), row)

    def where_without_row(self) -> Where:
        """The same where no row is at hand: the ambient tenant's."""
        if self.bind_row:
            raise FieldError(f"{self.label} is bound to its row: read it from an instance.")
        return Where(required_tenant(), "")

    def tenant_of(self, instance: Model) -> UUID:
        """The tenant of a row, which must be the ambient one where there is one."""
        if not self.tenant:
            return required_tenant()
        value = paths.follow(instance, self.tenant)
        if value is None:
            raise TenantMissing(f"{self.label}: the row has no tenant.")
        tenant, acting_for = tenant_id(value), current_tenant()
        if acting_for not in (None, tenant):
            raise WrongTenant(f"{self.label}: the row is another tenant's.")
        return tenant

    # Sealing and opening

    def encode(self, value: Any) -> JsonValue:
        """The JSON form of a plain value, which the message holds."""
        raise NotImplementedError

    def decode(self, stored: Any) -> Any:
        """The plain value of its JSON form."""
        return self.to_python(stored)

    def text_of(self, held: EncryptedValue) -> str:
        """The text by which a value is searched. Raises `DataError`, which does not show the value."""
        return str(self._stored(held))

    def encoded(self, held: EncryptedValue, where: Where) -> Plaintext:
        """The bytes to seal. Raises `DataError`, which does not show the value."""
        collection, name = self.place
        try:
            part = encode_part({name: self._stored(held)}, Binding(collection, where.row, 0))
            return Plaintext(part)
        except (TypeError, ValueError):
            pass
        raise DataError(f"{self.label}: the value has no JSON form.")

    def _stored(self, held: EncryptedValue) -> JsonValue:
        reason = "the value is of a wrong type"
        try:
            return self.encode(held.plain_value)
        except DataError as error:
            reason = str(error)
        except (ArithmeticError, TypeError, ValueError, ValidationError):
            pass
        raise DataError(f"{self.label}: {reason}.")

    def seal(self, plaintext: Plaintext, where: Where) -> bytes:
        """The message. Raises what the registry and KMS answer."""
        return current_keys().seal(plaintext, where.tenant, self.classification)

    def unseal(self, message: bytes, where: Where) -> Any:
        """The plain value. Raises `DecryptionFailed`, and what the registry and KMS answer."""
        plaintext = Plaintext(current_keys().open(message, where.tenant, self.classification))
        try:
            return self._decoded(plaintext, where)
        except (
            DecryptionFailed,
            KeyError,
            TypeError,
            ValueError,
            ArithmeticError,
            ValidationError,
        ):
            pass
        raise DecryptionFailed  # out here, where no variable of a frame holds the value

    def _decoded(self, plaintext: Plaintext, where: Where) -> Any:
        collection, name = self.place
        return self.decode(decode_part(plaintext.encoded, Binding(collection, where.row, 0))[name])

    # Between instance and database

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Seal what was assigned; what was only loaded, or only read, keeps its message."""
        if getattr(self, "auto_now", False) or (add and getattr(self, "auto_now_add", False)):
            super().pre_save(model_instance, add)
        held = self.held(model_instance)
        if held is None:
            return None
        where = self.where(model_instance)
        if held.message is not None:
            schema.refuse_moved(self, held, where, add)
        held.seal(where)
        return held

    def get_db_prep_value(self, value: Any, connection: Any, *_: Any, **__: Any) -> Any:
        """A message as the column takes it; a plain value is refused, since nobody knows whose it is."""
        if value is None or hasattr(value, "as_sql"):
            return schema.checked_expression(self, value)
        if isinstance(value, EncryptedValue) and value.message is not None:
            return connection.Database.Binary(value.message)
        raise FieldError(
            f"{self.label} is encrypted: save an instance, or go through EncryptedManager."
        )

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """The same."""
        return self.get_db_prep_value(value, connection)

    def from_db_value(self, value: Any, *_: Any) -> EncryptedValue | None:
        """Nothing is opened here."""
        return None if value is None else EncryptedValue(self, bytes(value))

    def forget_token(self, instance: Model) -> None:
        """The search token must be computed anew."""
        if self.queries is not None:
            instance.__dict__[self.attname + SUFFIX] = Stale.TOKEN

    # Between instance and people

    def held(self, instance: Model) -> EncryptedValue | None:
        """What the instance holds, which is loaded where it was deferred, and not opened."""
        with unopened():
            found: EncryptedValue | None = getattr(instance, self.attname)
        return found

    def value_from_object(self, obj: Model) -> EncryptedValue | None:
        """For forms and serialisers: a value that opens when one of them asks it to."""
        held = self.held(obj)
        return None if held is None else held.of(partial(self.where, obj))

    def value_to_string(self, obj: Model) -> str:
        """The mask, for serialisers and `dumpdata`."""
        return "" if self.held(obj) is None else MASK

    def to_python(self, value: Any) -> Any:
        """As Django's field does. A mask is no value: it comes from a dump, or from a form that showed one."""
        if isinstance(value, str) and value == MASK:
            raise ValidationError("This is the mask of an encrypted value.", code="masked")
        return super().to_python(value)

    def clean(self, value: Any, model_instance: Model | None) -> Any:
        """As Django's field does, and its errors do not show the value."""
        try:
            return super().clean(value, model_instance)
        except ValidationError as error:
            found = [forms.without_value(one) for one in error.error_list]
        raise ValidationError(found)

    def formfield(self, *args: Any, reveal: bool = False, **kwargs: Any) -> Any:
        """A form field that shows a mask and keeps the value when left empty; with `reveal` the plain one."""
        plain: Any = super().formfield(*args, **kwargs)
        return forms.revealed(plain) if reveal else forms.MaskedField(plain)

    def save_form_data(self, instance: Model, data: Any) -> None:
        """Nothing, where the form kept the value."""
        if not isinstance(data, EncryptedValue):
            super().save_form_data(instance, data)

    # The model and its table

    def contribute_to_class(self, cls: type[Model], name: str, *args: Any, **kwargs: Any) -> None:
        """With `queries` the column of tokens comes along."""
        super().contribute_to_class(cls, name, *args, **kwargs)
        if self.queries is not None:
            tokens = BlindIndexField(self.verbose_name, source=name)
            cls.add_to_class(name + SUFFIX, tokens)

    def deconstruct(self) -> Any:
        """For migrations. The default is left out: it is Python's, and the database could only hold it in plain."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("default", None)
        for option, default in _OWN_OPTIONS.items():
            if getattr(self, option) != default:
                kwargs[option] = getattr(self, option)
        if path.startswith("tenants.fields."):
            path = f"tenants.fields.{type(self).__name__}"
        return name, path, args, kwargs

    @property
    def non_db_attrs(self) -> tuple[str, ...]:  # type: ignore[override]  # a class attribute of Django's
        """Options whose change alters no column, which is bytes whatever they are."""
        return (*super().non_db_attrs, *_OWN_OPTIONS, *schema.TYPE_OPTIONS)

    def db_type(self, connection: Any) -> str:
        """Bytes."""
        return cast(str, connection.data_types["BinaryField"])

    def cast_db_type(self, connection: Any) -> str:
        """Bytes; `bulk_update` casts to it."""
        return self.db_type(connection)

    def db_parameters(self, connection: Any) -> Any:
        """Bytes, without the checks and collations of the plain type."""
        return {"type": self.db_type(connection), "check": None}

    def get_col(self, alias: Any, output_field: Any = None) -> Any:
        """A column that can be selected, and cannot be part of anything else."""
        return columns.EncryptedCol(alias, self, output_field)

    @cached_property
    def cached_col(self) -> Any:
        """The same for this table."""
        return columns.EncryptedCol(self.model._meta.db_table, self)

    def get_lookup(self, lookup_name: str) -> Any:
        """Raises `FieldError` with the reason for what cannot be answered."""
        return lookups.lookup_of(self, lookup_name)

    def get_transform(self, lookup_name: str) -> Any:
        """There is none. Raises `FieldError`."""
        return lookups.lookup_of(self, lookup_name)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's own checks, and those of `tenants.fields.checks`."""
        return [*super().check(**kwargs), *checks.check_field(self)]
