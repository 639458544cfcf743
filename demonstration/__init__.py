"""The demonstration, ``python main.py demo``, for both engines, and temporary PostgreSQL servers."""
