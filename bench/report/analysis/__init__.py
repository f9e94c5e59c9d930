"""What records say together: centres, spreads, intervals, ranks and differences."""
