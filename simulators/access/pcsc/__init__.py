"""A contactless card for pcscd's virtual reader."""
