"""PC/SC readers (USB, contactless) through the system's pcscd."""
