"""Text: made safe to display, redacted, limited in length, and rendered as tables."""
