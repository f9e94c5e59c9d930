"""The subcommands of ``tunebench``, one module or package each."""
