"""pytest fixtures and assertions on what was heard."""
