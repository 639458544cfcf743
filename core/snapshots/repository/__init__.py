"""The repository: file names, the catalog that lists the snapshots, the lock, and the stores that hold the files."""
