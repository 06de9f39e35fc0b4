"""A customer database, as a team with encrypted fields might have it; its tables exist in these tests only."""
