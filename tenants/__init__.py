"""The registry: every table and every use case of the gateway."""
