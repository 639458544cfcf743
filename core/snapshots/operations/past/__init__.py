"""The past: questions about it, and rows of it that are put back."""
