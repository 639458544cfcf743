"""What a database has besides its rows: definitions, owners, rights and settings; read, compared and restored."""
