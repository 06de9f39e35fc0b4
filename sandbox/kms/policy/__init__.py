"""IAM policies, pure: documents in, decisions out. Nothing here knows of HTTP, files or keys.

Sources: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference"; AWS KMS Developer Guide,
"Key policies in AWS KMS" (the account principal delegates to IAM policies) and "Condition keys for AWS KMS".
"""
