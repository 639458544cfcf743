"""``python main.py demo``: the play, its stages on either engine, and throw-away PostgreSQL servers."""
