"""One state machine per swan object or family; they decide, ports do."""
