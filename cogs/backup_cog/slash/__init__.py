"""The slash commands that are families of their own, and what they share."""
