"""Reports: records in, files out. Nothing here measures, recomputes a measurement or imports torch."""
