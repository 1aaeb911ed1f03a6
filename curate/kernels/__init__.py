"""What compiled kernels share: the compiler, columns as buffers, UTF-8, Unicode tables, hashes."""
