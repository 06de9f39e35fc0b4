"""Amazon RDS: the global database, seen and moved by its API, and tokens to sign in with. No password, no key."""
