"""The sealed store: what was read lies here as ciphertext until the platform says that it holds it."""
