"""What the documents hold that is generated: the settings' table and the figures of the campaign."""
