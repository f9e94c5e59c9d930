"""One table, and one renderer a format: terminal, csv, Markdown, LaTeX and HTML."""
