"""``tunebench compare``: what changed between two run folders or reports, and which metrics moved beyond noise."""
