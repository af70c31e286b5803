"""What every converted model has in common, whoever computes it: the names and shapes of its input and output."""

INPUT, OUTPUT, BATCH_AXIS = "image", "feature", "batch"  # the names of the Ascend guide
IMAGE_SHAPE, FEATURE_SHAPE = (3, 256, 128), (512,)
