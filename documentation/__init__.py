"""What the documents hold that is generated: the settings' table, the figures of the campaign, and the pictures.

``python -m documentation`` writes all of it, ``python -m documentation tables`` only the texts.
"""
