"""Plain dumps as pg_dump writes them: read as statements and rows, counted, hashed, and compared."""
