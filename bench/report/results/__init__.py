"""The input of a report: runs, records and evidence, kept in the report so that it can be drawn again."""
