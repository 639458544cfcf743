"""A restore as people see it: its preview, how far it is, and what it did."""
