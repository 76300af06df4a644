"""The decoder engine: everything that parses bytes of a stranger, in a process of its own."""
