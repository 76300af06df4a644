"""Hardware and bytes; runs only in child processes, as `python -m swanbridge_media KIND`."""
