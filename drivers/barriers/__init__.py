"""Barriers and gates: state machines over outputs and inputs of other devices."""
