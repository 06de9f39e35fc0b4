"""Key ARNs: which text is one, and which keys are related."""

from __future__ import annotations

import pytest

from crypto.arn import KeyArn
from crypto.errors import InvalidKeyArn

MRK = "mrk-" + "0123456789abcdef" * 2
EAST = KeyArn("aws", "us-east-2", "111122223333", MRK)


def test_an_arn_reads_and_writes_itself() -> None:
    assert str(KeyArn.parse(str(EAST))) == str(EAST)
    gov = f"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/{MRK}"
    assert KeyArn.parse(gov).region == "us-gov-west-1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        MRK,
        f"arn:aws:kms:us-east-2:111122223333:alias/{MRK}",
        f"arn:aws:kms:us-east-2:11112222333:key/{MRK}",
        f"arn:aws:kms:us-east-2:111122223333:key/{MRK}\n",
        f"arn:aws:kms:us-east-2:111122223333:key/{MRK.upper()}",
        f"arn:aws:kms:*:111122223333:key/{MRK}",
        f"arn:aws:s3:us-east-2:111122223333:key/{MRK}",
    ],
)
def test_what_is_not_the_arn_of_a_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyArn):
        KeyArn.parse(text)


def test_replicas_are_related_whatever_their_region() -> None:
    assert EAST.is_related_to(EAST.in_region("eu-west-1"))


@pytest.mark.parametrize(
    "other",
    [
        KeyArn("aws", "us-east-2", "444455556666", MRK),
        KeyArn("aws-cn", "us-east-2", "111122223333", MRK),
        KeyArn("aws", "us-east-2", "111122223333", "mrk-" + "f" * 32),
    ],
)
def test_another_account_partition_or_id_is_not_related(other: KeyArn) -> None:
    assert not EAST.is_related_to(other)


def test_a_single_region_key_has_no_relatives() -> None:
    single = KeyArn("aws", "us-east-2", "111122223333", "01234567-89ab-cdef-0123-456789abcdef")
    assert single.is_related_to(single)
    assert not single.is_related_to(KeyArn("aws", "eu-west-1", single.account, single.key_id))
    with pytest.raises(InvalidKeyArn):
        single.in_region("eu-west-1")
