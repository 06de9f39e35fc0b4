"""Use cases: what decides and writes. Each function opens its own scope; no network call is made inside of one."""
