"""Handles on the child processes that touch hardware and bytes; they implement the ports."""
