"""REST API v1, one file a resource. A view parses, calls one service or selector, and presents."""
