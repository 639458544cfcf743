"""How a connection is opened: the password file, the settings that are pinned, and poolers that are refused."""
