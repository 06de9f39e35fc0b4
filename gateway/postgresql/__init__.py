"""Django's PostgreSQL backend, with a memory for a writer that is away."""
