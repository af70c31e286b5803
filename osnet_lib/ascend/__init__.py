"""The Ascend path: ONNX to OM with ATC, a session on pyACL, several devices, and what their errors mean."""
