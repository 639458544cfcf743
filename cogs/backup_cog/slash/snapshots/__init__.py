"""Snapshots as people meet them: found by their own words, listed, shown one by one, and downloaded."""
