"""Answers that more than one command gives: what failed, was taken or found, and how far it is. Pure."""
