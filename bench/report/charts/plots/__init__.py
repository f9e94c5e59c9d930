"""The figures of a study, as Vega-Lite specs from data frames; each is None if there is nothing to draw."""
