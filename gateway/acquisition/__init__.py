"""From a due poll to a reading worth telling."""
