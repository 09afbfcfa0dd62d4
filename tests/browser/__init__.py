"""The page in a real browser: in TensorBoard, and as a file from disk."""
