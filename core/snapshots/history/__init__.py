"""The past without restoring it: any snapshot opens as a read-only database, straight from the archives.

``members`` finds the members of an archive, ``pages`` reads single pages of a chain through them, ``vfs`` lets SQLite
read a snapshot that way. Everything here blocks and runs in the worker.
"""
