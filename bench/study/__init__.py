"""What is to be measured: settings, names resolved, cells."""
