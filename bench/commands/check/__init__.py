"""The conformance kit: whether a method keeps the plugin contract, one verdict a check.

Every check is held against tiny models of random weights, so nothing is downloaded and no data are needed.
"""
