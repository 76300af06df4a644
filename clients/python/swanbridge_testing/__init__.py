"""pytest fixtures and assertions on what was heard.

Nothing is imported here: pytest loads `swanbridge_testing.plugin` in every run of an environment that has it.
"""
