"""How a Region misbehaves: the faults that are switched on in it, each checked and bounded when it is set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from secrets import SystemRandom
from typing import Any

from sandbox.kms.errors import ERROR_STATUS
from sandbox.kms.events import Action

LONGEST_WAIT = 60.0  # seconds, in which a slow answer comes or a silent connection is cut
LONGEST_FAULT = 86_400.0

# What needs a key's material. AWS KMS API Reference: the operations that list KeyUnavailableException.
NEEDS_MATERIAL = frozenset(
    {
        *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
        *("GenerateMac", "VerifyMac", "Sign", "Verify", "DeriveSharedSecret"),
    }
)

_random = SystemRandom()


class Mode(StrEnum):
    """The kinds of fault."""

    DOWN = "down"  # connections are refused
    BLACKHOLE = "blackhole"  # connections are accepted, and never answered
    SLOW = "slow"  # answers come late, by a log-normal distribution
    THROTTLED = "throttled"  # ThrottlingException, whatever the quotas
    ERRORS = "errors"  # 5xx
    MATERIAL_OUTAGE = "material-outage"  # KeyUnavailableException where key material is needed


_OF_THE_NETWORK = (Mode.DOWN, Mode.BLACKHOLE)
_MAY_BE_LATE = (Mode.BLACKHOLE, Mode.ERRORS)


class InvalidFault(ValueError):
    """There is no such fault, or it has no bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Without `operation` it concerns all of KMS; a fault of the network, the whole endpoint.

    `share`: of the requests concerned, how many it hits. `late`: what was asked is done, and only the answer is lost.
    `median` and `p99`: seconds that a slow answer takes. `code`: of a 5xx. `seconds`: it heals by itself after them.
    """

    mode: Mode
    operation: str = ""
    share: float = 1.0
    late: bool = False
    median: float = 0.5
    p99: float = 2.0
    code: str = ""
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidFault` unless everything has bounds and means something for this mode."""
        _require(0 < self.share <= 1, "share is more than 0 and at most 1")
        _require(
            0 < self.median <= self.p99 <= LONGEST_WAIT, f"0 < median <= p99 <= {LONGEST_WAIT}"
        )
        _require(self.late in (True, False), "late is true or false")
        _require(not self.late or self.mode in _MAY_BE_LATE, f"late is for {_MAY_BE_LATE}")
        _require(self.code in ("", *ERROR_STATUS), f"code is one of {sorted(ERROR_STATUS)}")
        if self.seconds is not None:
            _require(0 < self.seconds <= LONGEST_FAULT, f"0 < seconds <= {LONGEST_FAULT}")
        if self.mode is Mode.DOWN:
            _require(not self.operation and self.share == 1, "down is the whole endpoint, always")
        if self.mode is Mode.MATERIAL_OUTAGE and self.operation:
            _require(self.operation in NEEDS_MATERIAL, f"{self.operation} needs no key material")

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Fault:
        """From JSON; raises `InvalidFault`."""
        unknown = body.keys() - {field.name for field in fields(cls)}
        _require(not unknown, f"what are {sorted(unknown)}?")
        try:
            return cls(**body | {"mode": Mode(body["mode"])})
        except InvalidFault:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidFault(f"{type(error).__name__}: {error}") from error

    @property
    def of_the_network(self) -> bool:
        """Whether it lies before everything, so that not even who asks is known."""
        return self.mode in _OF_THE_NETWORK and not self.operation and not self.late

    def concerns(self, action: Action) -> bool:
        """Whether requests for that action may meet it."""
        if self.mode is Mode.MATERIAL_OUTAGE and action.name not in NEEDS_MATERIAL:
            return False
        if self.operation:
            return self.operation == action.name
        return self.mode in _OF_THE_NETWORK or action.source == "kms.amazonaws.com"

    def strikes(self) -> bool:
        """Whether it hits this time."""
        return self.share == 1 or _random.random() < self.share

    def delay(self) -> float:
        """Seconds that this answer takes."""
        # 2.326 standard deviations of the logarithm lie between the median and the 99th percentile.
        sigma = math.log(self.p99 / self.median) / 2.326
        return min(_random.lognormvariate(math.log(self.median), sigma), LONGEST_WAIT)

    def shown(self) -> dict[str, Any]:
        """What differs from the defaults, for a person."""
        given = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != given[name]}


class Faults:
    """The faults of one Region: one of each mode for each operation."""

    def __init__(self) -> None:
        """All is well."""
        self._active: dict[tuple[Mode, str], Fault] = {}

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self._active)

    def __iter__(self) -> Iterator[Fault]:
        """All of them."""
        return iter(tuple(self._active.values()))

    def __contains__(self, fault: object) -> bool:
        """Whether that very fault is still there, and not another one set since."""
        return any(each is fault for each in self._active.values())

    def put(self, fault: Fault) -> None:
        """Set it, in place of one of the same mode and operation."""
        self._active[fault.mode, fault.operation] = fault

    def heal(self, operation: str = "") -> None:
        """Forget those of that operation, or all."""
        for place in [key for key in self._active if operation in ("", key[1])]:
            del self._active[place]

    def remove(self, fault: Fault) -> None:
        """Forget that one, if it is still there."""
        if fault in self:
            del self._active[fault.mode, fault.operation]

    @property
    def is_dark(self) -> bool:
        """Whether other Regions cannot reach this one."""
        return any(fault.of_the_network and fault.share == 1 for fault in self)

    @property
    def is_down(self) -> bool:
        """Whether connections are refused."""
        return any(fault.mode is Mode.DOWN for fault in self)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise InvalidFault(rule)
