"""``python -m bench`` is the ``tunebench`` command."""

import sys

from bench.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
