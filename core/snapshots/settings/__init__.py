"""The settings: their schema, the sources of their values, and a validator for each of them.

Nothing here opens a repository or a database; ``database_url`` and ``conninfo`` only parse addresses. This file imports
nothing: a worker needs the address of a database, and not the schema of all settings.
"""
