"""The audio engine: mixer, speaker, captures. Runs only as `python -m swanbridge_media audio`."""

import os

# A block is far too small to share among threads; OpenBLAS reads this once, when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
