"""A stand-in for AWS KMS that says no where AWS says no.

Speaks the KMS protocol to unmodified boto3, one endpoint a Region, and beside it as much of the Resource Groups
Tagging API, CloudTrail and STS as belongs to keys. Multi-Region keys share material; all else is each Region's own.
Key policies and identity policies are enforced, every call is in the trail, and the state outlives the process.

    http -> endpoint -> operations -> store -> database
                     -> authorization -> policy (pure)
"""

from sandbox.kms.handle import KmsStandIn

__all__ = ["KmsStandIn"]
