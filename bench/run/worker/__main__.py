"""``python -m bench.run.worker CELL_JSON`` measures one cell again."""

import sys
from pathlib import Path

from bench.run.worker.entry import replay

if __name__ == "__main__":
    sys.exit(replay(Path(sys.argv[1])))
