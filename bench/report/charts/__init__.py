"""The charts of a report, as Vega-Lite specs and as figures."""
