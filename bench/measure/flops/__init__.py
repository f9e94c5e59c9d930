"""Floating-point operations counted in three independent ways: at dispatch, on the trace, and in closed form.

All count only matrix multiplications, at 2 FLOPs per multiply-add, for one sequence at batch 1. Elementwise operations
(normalisation, activation, softmax, dropout, the optimizer) are left out, as in published tables.
"""
