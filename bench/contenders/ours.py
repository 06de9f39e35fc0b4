"""The product: `crypto.part` around `crypto.envelope`, with the data key in the cache."""

from __future__ import annotations

from bench.stand_ins import CountingKms, MemoryStore, make_context, make_envelope, make_tenant
from bench.workload import BINDING, Calls, Work, same
from crypto.part import decode_part, encode_part


class OursBytes:
    """Seal and open ready bytes, as the others do that know no fields."""

    def __init__(self) -> None:
        self._envelope = make_envelope(CountingKms(), MemoryStore())
        self._key = make_tenant(1)
        self._context = make_context(self._key)

    def prepare(self, work: Work) -> Calls:
        """One message of the part's bytes."""
        envelope, key, context, plaintext = (
            self._envelope,
            self._key,
            self._context,
            work.plaintext,
        )
        message = envelope.seal(plaintext, key=key, context=context).message
        same(envelope.open(message, key=key, context=context), plaintext)
        return Calls(
            lambda: envelope.seal(plaintext, key=key, context=context),
            lambda: envelope.open(message, key=key, context=context),
        )


class Ours(OursBytes):
    """Seal and open fields: the JSON and the check of the binding are in the time."""

    def prepare(self, work: Work) -> Calls:
        """One message of the part."""
        envelope, key, context, fields = self._envelope, self._key, self._context, work.fields
        message = envelope.seal(encode_part(fields, BINDING), key=key, context=context).message
        same(decode_part(envelope.open(message, key=key, context=context), BINDING), fields)
        return Calls(
            lambda: envelope.seal(encode_part(fields, BINDING), key=key, context=context),
            lambda: decode_part(envelope.open(message, key=key, context=context), BINDING),
        )
