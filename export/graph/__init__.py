"""Graphs: a checkpoint as FP32 ONNX, and how each precision is made of it."""
