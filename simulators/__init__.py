"""A city in a box: twins of devices, the lines they hang on, and faults as data."""
