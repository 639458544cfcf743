"""The folder of snapshots: its file names, the catalog that lists them, the lock, and where the bytes are stored."""
