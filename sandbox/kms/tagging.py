"""Tags of a key, as requests carry them. Limits: AWS KMS Developer Guide, "Tags in AWS KMS"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.kms.errors import Refusal

_MAX_TAGS = 50


def tags_of(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tag key -> value, from a list of TagKey and TagValue."""
    tags: dict[str, str] = {}
    for item in listed:
        key = item["TagKey"]
        if key.lower().startswith("aws:"):
            raise Refusal("TagException", "Tag keys that begin with aws: are reserved.")
        if key in tags:
            raise Refusal("TagException", "Duplicate tag keys.")
        tags[key] = item["TagValue"]
    check_count(tags)
    return tags


def check_count(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a key may carry."""
    if len(tags) > _MAX_TAGS:
        raise Refusal("TagException", f"A key carries {_MAX_TAGS} tags at most.")


def listed_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The list of TagKey and TagValue, in the order of the keys."""
    return [{"TagKey": key, "TagValue": value} for key, value in sorted(tags.items())]
