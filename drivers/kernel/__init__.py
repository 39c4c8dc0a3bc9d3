"""Sensors that the kernel reads: 1-Wire thermometers, I2C and SPI chips, converters."""
