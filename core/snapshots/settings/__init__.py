"""The settings: their schema, where their values come from, and what each value must be.

Nothing here knows a repository or a database; ``database_url`` and ``conninfo`` only take addresses apart.
"""
