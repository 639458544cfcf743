"""The operations on snapshots, one verb a file. Each puts the steps of one operation into a safe order.

``context`` holds what all of them share. ``exclusive`` is the lock held by every operation that changes something.
"""
