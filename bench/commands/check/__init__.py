"""The conformance kit: whether a method conforms to the plugin contract, with one verdict per check.

The checks use tiny models with random weights, so nothing is downloaded and no data are needed.
"""
