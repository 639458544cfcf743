"""What can be done with snapshots, one verb a file: each puts the steps of one operation into their safe order.

``context`` is what all of them work with, ``exclusive`` the lock that those take which change something.
"""
