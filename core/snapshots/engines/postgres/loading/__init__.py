"""From an archive back into a database: read and verified, executed statement by statement, and read back."""
