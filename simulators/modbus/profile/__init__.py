"""A twin made from a profile: any model of which a register map is known, without its code."""
