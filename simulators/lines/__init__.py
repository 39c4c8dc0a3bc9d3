"""What lies between twins and whoever asks: an RS-485 line of ptys, a TCP link that goes bad."""
