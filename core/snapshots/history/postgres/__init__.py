"""The same questions for PostgreSQL: a dump's rows of a table are expanded alone, the present is asked by SQL."""
