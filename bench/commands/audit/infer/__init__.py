"""Infer the hidden conditions of a training from a printed column of peak memory."""

from bench.commands.audit.infer.inference import Inference, infer

__all__ = ["Inference", "infer"]
