"""Putting rows of the past back into the live database: ``plan`` compares states, ``apply`` writes."""
