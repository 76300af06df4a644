"""`python -m swanbridge_client` is the command `swanbridge`."""

import sys

from .cli import main

sys.exit(main())
