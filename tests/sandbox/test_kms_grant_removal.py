"""How grants end: revoked by policy, retired by whom the grant itself names."""

from __future__ import annotations

from tests.sandbox.kms_cast import Cast, grant, refused, role


def test_a_revoked_grant_allows_nothing_any_more(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    made = grant(kms_cast, arn, "Encrypt")
    client, nobody = kms_cast.kms("operator"), kms_cast.kms("nobody")
    nobody.encrypt(KeyId=arn, Plaintext=b"x")
    with refused("AccessDeniedException"):
        nobody.revoke_grant(KeyId=arn, GrantId=made["GrantId"])
    client.revoke_grant(KeyId=arn, GrantId=made["GrantId"])
    kms_cast.settle()
    with refused("AccessDeniedException"):
        nobody.encrypt(KeyId=arn, Plaintext=b"x")
    with refused("NotFoundException"):
        client.revoke_grant(KeyId=arn, GrantId=made["GrantId"])
    with refused("NotFoundException"):
        client.revoke_grant(
            KeyId=kms_cast.key(), GrantId=grant(kms_cast, arn, "Encrypt")["GrantId"]
        )


def test_a_grant_is_retired_by_whom_it_names_and_by_nobody_else(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    nobody = kms_cast.kms("nobody")
    retiring = grant(kms_cast, arn, "Encrypt", to="tagger", RetiringPrincipal=role("nobody"))
    own = grant(kms_cast, arn, "Encrypt", "RetireGrant")
    foreign = grant(kms_cast, arn, "Encrypt", "RetireGrant", to="tagger")
    bare = grant(kms_cast, arn, "Encrypt")
    nobody.retire_grant(GrantToken=retiring["GrantToken"])
    nobody.retire_grant(KeyId=arn, GrantId=own["GrantId"])
    for made in (foreign, bare):
        with refused("AccessDeniedException"):
            nobody.retire_grant(KeyId=arn, GrantId=made["GrantId"])
    # By IAM policy, of the account that owns the key.
    kms_cast.kms("operator").retire_grant(KeyId=arn, GrantId=bare["GrantId"])
    left = kms_cast.kms("operator").list_grants(KeyId=arn)["Grants"]
    assert [item["GrantId"] for item in left] == [foreign["GrantId"]]


def test_a_grant_to_retire_is_named_by_token_or_by_key_arn_and_id(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    made = grant(kms_cast, arn, "Encrypt")
    client = kms_cast.kms("operator")
    with refused("ValidationException"):
        client.retire_grant(GrantToken=made["GrantToken"], KeyId=arn, GrantId=made["GrantId"])
    with refused("ValidationException"):
        client.retire_grant(KeyId=arn)
    with refused("InvalidArnException"):
        client.retire_grant(KeyId=arn.rpartition("/")[2], GrantId=made["GrantId"])
    with refused("InvalidGrantTokenException"):
        client.retire_grant(GrantToken="no token")
    client.retire_grant(GrantToken=made["GrantToken"])
    with refused("NotFoundException"):
        client.retire_grant(GrantToken=made["GrantToken"])


def test_retirable_grants_are_listed_by_their_retiring_principal(kms_cast: Cast) -> None:
    first, second = kms_cast.key(), kms_cast.key()
    made = {
        grant(kms_cast, arn, "Encrypt", RetiringPrincipal=role("mrk-gateway-audit"))["GrantId"]
        for arn in (first, second)
    }
    client = kms_cast.kms("operator")
    listed = client.list_retirable_grants(RetiringPrincipal=role("mrk-gateway-audit"))["Grants"]
    assert made <= {item["GrantId"] for item in listed}
    assert client.list_retirable_grants(RetiringPrincipal=role("tagged"))["Grants"] == []
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody").list_retirable_grants(RetiringPrincipal=role("nobody"))


def test_a_dry_run_of_a_grant_call_changes_nothing(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    made = grant(kms_cast, arn, "Encrypt")
    with refused("DryRunOperationException"):
        grant(kms_cast, arn, "Encrypt", DryRun=True)
    with refused("DryRunOperationException"):
        client.retire_grant(GrantToken=made["GrantToken"], DryRun=True)
    with refused("DryRunOperationException"):
        client.revoke_grant(KeyId=arn, GrantId=made["GrantId"], DryRun=True)
    assert [g["GrantId"] for g in client.list_grants(KeyId=arn)["Grants"]] == [made["GrantId"]]
