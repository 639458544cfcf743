"""The backups at a glance: the panel of ``/backup status``, the same as a text, and the picture in it."""
