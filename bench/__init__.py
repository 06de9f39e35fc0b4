"""Measurements of the crypto core beside what a team would use instead, and of the KMS stand-in. See README.md."""
