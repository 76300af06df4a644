"""`python -m swanbridge_daemon` is `swanbridged`."""

import sys

from .cli import main

sys.exit(main())
