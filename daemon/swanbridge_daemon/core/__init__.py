"""What every service stands on: the clock, the journal, sessions, the ports to the outside."""
