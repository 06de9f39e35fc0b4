"""GetResources of the Resource Groups Tagging API, which boto3 asks in CBOR."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from tests.sandbox.kms_cast import HOME, WEST, Cast, refused


def search(cast: Cast, region: str = HOME, who: str = "operator", **arguments: Any) -> list[str]:
    paginator = cast.client("resourcegroupstaggingapi", who, region).get_paginator("get_resources")
    return [
        item["ResourceARN"]
        for page in paginator.paginate(**arguments)
        for item in page["ResourceTagMappingList"]
    ]


def tag(key: str, value: str) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value}]


def test_a_key_is_found_by_its_tag_in_its_own_region(kms_cast: Cast) -> None:
    operation = token_hex(8)
    arn = kms_cast.key(Tags=tag("operation", operation))
    replica = kms_cast.replica(arn, WEST, Tags=tag("operation", operation))
    wanted = [{"Key": "operation", "Values": [operation]}]
    assert search(kms_cast, TagFilters=wanted, ResourceTypeFilters=["kms:key"]) == [arn]
    assert search(kms_cast, WEST, TagFilters=wanted, ResourceTypeFilters=["kms"]) == [replica]
    assert search(kms_cast, TagFilters=wanted, ResourceTypeFilters=["s3"]) == []
    assert search(kms_cast, TagFilters=[{"Key": "operation", "Values": ["other"]}]) == []
    kms_cast.kms("operator").untag_resource(KeyId=arn, TagKeys=["operation"])
    assert search(kms_cast, TagFilters=wanted) == []


def test_every_filter_must_match_and_any_of_its_values_may(kms_cast: Cast) -> None:
    mark = token_hex(8)
    gold = kms_cast.key(Tags=[*tag("mark", mark), *tag("tier", "gold")])
    lead = kms_cast.key(Tags=[*tag("mark", mark), *tag("tier", "lead")])
    marked: dict[str, Any] = {"Key": "mark", "Values": [mark]}
    assert search(kms_cast, TagFilters=[marked, {"Key": "tier", "Values": ["gold"]}]) == [gold]
    either = [marked, {"Key": "tier", "Values": ["gold", "lead"]}]
    assert set(search(kms_cast, TagFilters=either)) == {gold, lead}
    assert set(search(kms_cast, TagFilters=[marked, {"Key": "tier"}])) == {gold, lead}
    assert search(kms_cast, TagFilters=[marked], ResourceARNList=[lead]) == [lead]


def test_results_come_in_pages(kms_cast: Cast) -> None:
    mark = token_hex(8)
    made = {kms_cast.key(Tags=tag("mark", mark)) for _ in range(7)}
    found = search(
        kms_cast, TagFilters=[{"Key": "mark", "Values": [mark]}], PaginationConfig={"PageSize": 3}
    )
    assert len(found) == 7
    assert set(found) == made


def test_the_tags_are_in_the_answer_and_text_beyond_ascii_survives(kms_cast: Cast) -> None:
    value = f"Zürich {token_hex(8)}"
    arn = kms_cast.key(Tags=tag("place", value))
    client = kms_cast.client("resourcegroupstaggingapi", "operator", HOME)
    answer = client.get_resources(TagFilters=[{"Key": "place", "Values": [value]}])
    assert answer["ResourceTagMappingList"] == [
        {"ResourceARN": arn, "Tags": [{"Key": "place", "Value": value}]}
    ]


def test_a_refusal_keeps_its_code_in_cbor(kms_cast: Cast) -> None:
    with refused("AccessDeniedException", "tag:GetResources"):
        search(kms_cast, who="nobody")
    with refused("InvalidParameterException"):
        search(kms_cast, ResourcesPerPage=101)
