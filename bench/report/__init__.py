"""Reports: records in, files out. Nothing here measures or imports torch."""
