"""A tree of files as the kernel has them for sensors, kept alive by twins."""
