"""What a report is drawn from: runs, their records and what stands beside them, kept so that it can be drawn again."""
