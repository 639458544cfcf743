"""The shell: the service's methods as commands, their answers as text or as one JSON document."""
