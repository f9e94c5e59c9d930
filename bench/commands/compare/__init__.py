"""Two run folders or published reports side by side: what changed, and which metric moved beyond its noise."""
