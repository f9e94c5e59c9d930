"""The figures of a study, as specs of Vega-Lite made of data frames; each is None where there is nothing to draw."""
