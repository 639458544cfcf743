"""The worker: a child process that does one job, such as taking a snapshot, and ends.

``client`` starts it from the bot's process, ``main`` runs in it, ``protocol`` defines their messages, ``handlers`` does
the jobs.
"""
