"""Three PostgreSQL servers that stand for Aurora Global Database: a writer, and a streaming replica of it elsewhere."""
