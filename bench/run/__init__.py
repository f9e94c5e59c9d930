"""The parent process: selects cells, runs each in a worker, and handles failures. It never imports torch."""
