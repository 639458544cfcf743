"""What the shell prints with ``--json``: one struct for each shape that ``cli.commands`` documents.

The shapes are stable. They are built here rather than taken from the models, so that a model can change without
breaking somebody's script. Times are ISO 8601 in UTC with a Z, sizes bytes, durations seconds.
"""
