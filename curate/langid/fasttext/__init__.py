"""Published fastText classifiers: their files, and prediction as compiled kernels."""
