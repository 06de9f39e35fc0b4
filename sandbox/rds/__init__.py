"""A stand-in for Amazon RDS: one Aurora global database whose clusters are the sandbox's PostgreSQL servers.

Describe, switch over and fail over by the real calls, which act on the real servers. It listens on a Unix socket that
only its user can open; callers reach it through the endpoint of each Region, which knows them and what they may.

    server -> operations -> description (what is) | change (one switchover or failover at a time) -> sandbox.postgres
"""
