"""The charts of a report, as specs of Vega-Lite and as figures."""
