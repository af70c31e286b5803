"""Checkpoint to ONNX, simplified, float16 and int8, and the proof that nothing changed."""
