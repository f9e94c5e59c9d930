"""Statistics over records: means, intervals, ranks and differences."""
