"""Floating-point operations counted three independent ways: at dispatch, on the trace, and in closed form.

All count matrix multiplications and nothing else, with 2 FLOPs a multiply-add, for one sequence at batch 1. What is
elementwise (normalisation, activation, softmax, dropout, the optimizer) is left out, as in published tables.
"""
