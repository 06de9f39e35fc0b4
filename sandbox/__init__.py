"""The embedded default: everything that the gateway needs, on this machine alone, behind the same configuration as AWS.

Nothing in `gateway`, `tenants` or `crypto` imports this package, and production refuses to talk to what it runs.
"""
