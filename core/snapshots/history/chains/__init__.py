"""The archives of a chain: any page of any of its snapshots, found, checked, and kept for the next question."""
