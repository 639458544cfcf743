"""What the documents hold that is generated: the settings' table, the figures of the campaign, and the pictures.

``python -m documentation`` writes all of it, ``python -m documentation tables`` only the texts, and
``python -m documentation discord`` only the pictures of Discord, for which it needs Chromium and Pillow.
"""
