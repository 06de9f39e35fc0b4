"""The column of an encrypted field in a query: it can be selected, and cannot be part of anything else.

Whatever the database computes from ciphertext is nonsense at best. Django asks an expression about itself before it is
put into another one: there the mistake is told. Where it does not ask, the SQL names a column that does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from django.core.exceptions import FieldError
from django.db.models.expressions import Col
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField


class EncryptedCol(Col):
    """Selects the message. `F`, functions, aggregates, `Case`, ordering and grouping raise `FieldError`."""

    target: EncryptedField

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise FieldError(
            f"{self.target.label} is encrypted: the database can select it, and nothing else."
        )

    resolve_expression = _refuse
    get_refs = _refuse
    contains_aggregate = property(_refuse)
    contains_over_clause = property(_refuse)

    def as_sql(self, _: SQLCompiler, connection: Any) -> Any:
        """What another expression would take in: a name that no column has."""
        return connection.ops.quote_name(f"{self.target.label} is encrypted"), []

    def select_format(self, compiler: SQLCompiler, *_: Any) -> tuple[str, Any]:
        """What stands in the list of a SELECT: the column itself."""
        self._refuse_comparing(compiler)
        return super().as_sql(compiler, compiler.connection)

    def _refuse_comparing(self, compiler: SQLCompiler) -> None:
        """Equal values have different messages: DISTINCT and GROUP BY find no two rows alike, unless by another key."""
        query = compiler.query
        grouped = query.group_by if isinstance(query.group_by, tuple) else ()
        distinct = query.select if query.distinct and not query.distinct_fields else ()
        for columns in (grouped, distinct):
            if self in columns and not any(
                isinstance(column, Col) and column.target.primary_key for column in columns
            ):
                self._refuse()
