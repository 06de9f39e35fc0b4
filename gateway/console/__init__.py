"""The web console: server-rendered pages for operators and for the members of a tenant.

Every page is a `Page` (page.py), which decides in one place who may see what; `access.py` holds the table of roles.
"""
