"""The child process that does whatever blocks: ``client`` starts it in the bot's process, ``main`` runs in it.

The two speak ``protocol``; ``handlers`` does the jobs.
"""
