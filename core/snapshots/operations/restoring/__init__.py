"""Putting a state back: the plan that is shown, the steps, the start-up restore, and what a crash left behind."""
